"$SHAKEDOWN" help acme
