"$SHAKEDOWN" validate suites/good.yaml
