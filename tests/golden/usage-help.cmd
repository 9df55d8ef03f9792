"$SHAKEDOWN" help --help
