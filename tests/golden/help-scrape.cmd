"$SHAKEDOWN" help scrape
