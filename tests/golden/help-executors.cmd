"$SHAKEDOWN" help executors
