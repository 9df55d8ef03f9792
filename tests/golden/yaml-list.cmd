"$SHAKEDOWN" validate suites/yaml-list.yaml
