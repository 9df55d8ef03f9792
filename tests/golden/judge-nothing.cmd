"$SHAKEDOWN" judge gone
