"$SHAKEDOWN" validate suites/shape-two-drivers.yaml
