"$SHAKEDOWN" validate suites/tls-mistakes.yaml
