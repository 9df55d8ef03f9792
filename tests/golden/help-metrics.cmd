"$SHAKEDOWN" help metrics
