"$SHAKEDOWN" validate suites/metric-unknown.yaml
