"$SHAKEDOWN" validate --help
