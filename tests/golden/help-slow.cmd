"$SHAKEDOWN" help slow
