export NEXUS_URL=wss://hub.example.com:8443/connect TARGET_HOSTNAME=app.example.com HMAC_SECRET=golden-canary TARGET_URL=https://edge.example.com/
for s in ../../suites/*.yaml; do echo "$s"; "$SHAKEDOWN" validate "$s" || exit; done
