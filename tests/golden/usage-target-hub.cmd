"$SHAKEDOWN" target --nexus-url wss://127.0.0.1:1/connect
"$SHAKEDOWN" target --nexus-url wss://127.0.0.1:1/connect --nexus-hostname app.test
HMAC_SECRET=" " "$SHAKEDOWN" target --nexus-url wss://127.0.0.1:1/connect --nexus-hostname app.test
HMAC_SECRET=golden-canary "$SHAKEDOWN" target --nexus-url https://127.0.0.1:1/connect --nexus-hostname app.test
"$SHAKEDOWN" target --secret-file gone
