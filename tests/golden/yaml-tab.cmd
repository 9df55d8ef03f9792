"$SHAKEDOWN" validate suites/yaml-tab.yaml
