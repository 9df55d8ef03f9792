"$SHAKEDOWN" help load
