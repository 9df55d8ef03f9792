GOOD_LIMIT=300 "$SHAKEDOWN" run suites/good.yaml --preset slow --set rate=7 --dry-run --show-origin --run-id golden --out "$TMP/out"
