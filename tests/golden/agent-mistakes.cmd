"$SHAKEDOWN" validate suites/agent-mistakes.yaml
