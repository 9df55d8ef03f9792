"$SHAKEDOWN" validate suites/secret-missing.yaml
