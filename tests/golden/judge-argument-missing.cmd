"$SHAKEDOWN" judge
