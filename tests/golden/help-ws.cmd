"$SHAKEDOWN" help ws
