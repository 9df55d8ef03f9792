"$SHAKEDOWN" validate suites/shape-driver-and-parallel.yaml
