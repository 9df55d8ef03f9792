"$SHAKEDOWN" run suites/good.yaml --set limt=1s
