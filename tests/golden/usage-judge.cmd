"$SHAKEDOWN" judge --help
