"$SHAKEDOWN" run suites/everything.yaml --preset none --set what=ever --out "$TMP/out"; code=$?; ls "$TMP"; exit $code
