"$SHAKEDOWN" run suites/good.yaml --preset
