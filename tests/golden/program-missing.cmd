"$SHAKEDOWN" run suites/program-missing.yaml --out $TMP/out; code=$?; ls $TMP; exit $code
