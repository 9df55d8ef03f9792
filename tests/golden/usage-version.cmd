"$SHAKEDOWN" version --help
