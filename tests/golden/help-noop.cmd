"$SHAKEDOWN" help noop
