"$SHAKEDOWN" help
