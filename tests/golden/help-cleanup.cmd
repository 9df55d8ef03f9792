"$SHAKEDOWN" help cleanup
