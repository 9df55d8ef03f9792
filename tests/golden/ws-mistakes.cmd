"$SHAKEDOWN" validate suites/ws-mistakes.yaml
