HMAC_SECRET=golden-canary NEXUS_URL=wss://hub.test:8443/connect TARGET_HOSTNAME=app.test TARGET_URL=https://edge.test/ CONCURRENT_WORKERS=7 \
    LORIS_CONNS=9 LORIS_DURATION=33 THRESH_P99_MS=123 BACKEND_PORT=18443 "$SHAKEDOWN" run ../../suites/nexus.yaml --dry-run --show-origin
