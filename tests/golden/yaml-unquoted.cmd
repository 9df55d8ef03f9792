"$SHAKEDOWN" validate suites/yaml-unquoted.yaml
