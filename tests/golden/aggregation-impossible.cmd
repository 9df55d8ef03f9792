"$SHAKEDOWN" validate suites/aggregation-impossible.yaml
