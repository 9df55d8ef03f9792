"$SHAKEDOWN" run suites/good.yaml --set limit
