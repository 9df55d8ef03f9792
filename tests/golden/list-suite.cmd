"$SHAKEDOWN" list suites/good.yaml
