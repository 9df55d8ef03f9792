export TARGET_URL=https://edge.example.com/ CONCURRENT_WORKERS=5 CONCURRENT_DURATION=6 SUSTAINED_RATE=7 SUSTAINED_DURATION=8 THRESH_ERR_PCT=9 THRESH_SUCCESS_PCT=91 THRESH_P99_MS=92
"$SHAKEDOWN" run ../../suites/edge-gate.yaml --preset laptop --set p99=93 --dry-run --show-origin --run-id golden --out "$TMP/out"
