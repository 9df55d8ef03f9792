"$SHAKEDOWN" validate suites/limit-uncrossable.yaml
