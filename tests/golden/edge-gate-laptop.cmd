"$SHAKEDOWN" run ../../suites/edge-gate.yaml --preset laptop --dry-run --show-origin --run-id golden --out "$TMP/out"
