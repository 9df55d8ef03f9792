"$SHAKEDOWN" validate suites/threshold-abort.yaml
