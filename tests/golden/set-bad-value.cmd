"$SHAKEDOWN" run suites/good.yaml --set limit=soon --set rate=many
