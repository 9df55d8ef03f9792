"$SHAKEDOWN" help exec
