"$SHAKEDOWN" validate suites/shape-unknown-keys.yaml
