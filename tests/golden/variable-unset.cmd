"$SHAKEDOWN" validate suites/variable-unset.yaml
