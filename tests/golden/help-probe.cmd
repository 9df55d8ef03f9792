"$SHAKEDOWN" help probe
