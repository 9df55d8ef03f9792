"$SHAKEDOWN" validate suites/parts-mistakes.yaml
