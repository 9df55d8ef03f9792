"$SHAKEDOWN" validate suites/service-unknown.yaml
