"$SHAKEDOWN" validate suites/template-unknown.yaml
