"$SHAKEDOWN" validate suites/threshold-implied.yaml
