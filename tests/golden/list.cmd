"$SHAKEDOWN" list
