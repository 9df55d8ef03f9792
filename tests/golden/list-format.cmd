"$SHAKEDOWN" list suites/good.yaml --format yaml
