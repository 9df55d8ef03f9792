"$SHAKEDOWN" help htpp
