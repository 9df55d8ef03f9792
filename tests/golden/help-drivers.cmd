"$SHAKEDOWN" help drivers
