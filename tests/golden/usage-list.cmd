"$SHAKEDOWN" list --help
