"$SHAKEDOWN" run suites/good.yaml --only frist --out "$TMP/out"
