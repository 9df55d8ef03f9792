"$SHAKEDOWN" validate suites/yaml-empty.yaml
