"$SHAKEDOWN" help agent
