"$SHAKEDOWN" validate suites/shape-same-name.yaml
