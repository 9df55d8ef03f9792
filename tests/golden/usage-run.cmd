"$SHAKEDOWN" run --help
