"$SHAKEDOWN" schema --help
