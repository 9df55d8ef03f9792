"$SHAKEDOWN" validate suites/ramp-to-nothing.yaml
