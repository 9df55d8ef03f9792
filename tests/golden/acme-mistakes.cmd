"$SHAKEDOWN" validate suites/acme-mistakes.yaml
