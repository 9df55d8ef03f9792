"$SHAKEDOWN" validate suites/pointer-escape.yaml
