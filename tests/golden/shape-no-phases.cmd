"$SHAKEDOWN" validate suites/shape-no-phases.yaml
