TOKEN=canary-7f3a "$SHAKEDOWN" validate suites/secret-in-command.yaml
