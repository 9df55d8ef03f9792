"$SHAKEDOWN" validate suites/slow-mistakes.yaml
