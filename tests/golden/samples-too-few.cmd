"$SHAKEDOWN" validate suites/samples-too-few.yaml
