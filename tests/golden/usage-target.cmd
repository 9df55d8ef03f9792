"$SHAKEDOWN" target --help
