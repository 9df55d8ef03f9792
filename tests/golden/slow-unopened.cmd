"$SHAKEDOWN" validate suites/slow-unopened.yaml
