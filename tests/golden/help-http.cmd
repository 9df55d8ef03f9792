"$SHAKEDOWN" help http
