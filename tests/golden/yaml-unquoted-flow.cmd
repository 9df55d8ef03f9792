"$SHAKEDOWN" validate suites/yaml-unquoted-flow.yaml
