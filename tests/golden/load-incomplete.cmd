"$SHAKEDOWN" validate suites/load-incomplete.yaml
