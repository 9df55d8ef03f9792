"$SHAKEDOWN" report gone
