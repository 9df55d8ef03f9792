"$SHAKEDOWN" help sql
