"$SHAKEDOWN" list suites/good.yaml --format json
