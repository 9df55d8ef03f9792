"$SHAKEDOWN" validate suites/target-undeclared.yaml
