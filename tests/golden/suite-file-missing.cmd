"$SHAKEDOWN" run suites/gone.yaml
