"$SHAKEDOWN" run suites/good.yaml --dry-run --run-id golden --out "$TMP/out"; code=$?; ls "$TMP"; exit $code
