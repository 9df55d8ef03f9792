"$SHAKEDOWN" validate suites/good.yaml suites/good.yaml
