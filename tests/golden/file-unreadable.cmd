"$SHAKEDOWN" validate suites/file-unreadable.yaml
