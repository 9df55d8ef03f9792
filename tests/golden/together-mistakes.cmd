"$SHAKEDOWN" validate suites/together-mistakes.yaml
