"$SHAKEDOWN" report gone --format csv
