"$SHAKEDOWN" run ../../suites/edge-gate.yaml --preset same-network --dry-run --show-origin --run-id golden --out "$TMP/out"
