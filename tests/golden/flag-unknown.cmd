"$SHAKEDOWN" run suites/good.yaml --presett slow
