"$SHAKEDOWN" report --help
