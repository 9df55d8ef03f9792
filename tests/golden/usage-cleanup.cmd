"$SHAKEDOWN" cleanup --help
