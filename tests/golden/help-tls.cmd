"$SHAKEDOWN" help tls
