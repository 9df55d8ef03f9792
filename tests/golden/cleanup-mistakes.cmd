"$SHAKEDOWN" validate suites/cleanup-mistakes.yaml
