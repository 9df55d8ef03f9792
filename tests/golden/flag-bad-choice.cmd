"$SHAKEDOWN" run suites/good.yaml --color sometimes
