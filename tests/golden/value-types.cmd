"$SHAKEDOWN" validate suites/value-types.yaml
