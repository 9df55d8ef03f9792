"$SHAKEDOWN" validate suites/variable-unknown.yaml
