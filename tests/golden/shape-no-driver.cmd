"$SHAKEDOWN" validate suites/shape-no-driver.yaml
