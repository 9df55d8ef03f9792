HMAC_SECRET=golden-canary "$SHAKEDOWN" run ../../suites/nexus.yaml --preset laptop --dry-run --set nexus_url=wss://hub.test:8443/connect --set hostname=app.test
