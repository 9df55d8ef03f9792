"$SHAKEDOWN" version
