"$SHAKEDOWN" run suites
