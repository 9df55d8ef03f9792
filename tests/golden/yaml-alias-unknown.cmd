"$SHAKEDOWN" validate suites/yaml-alias-unknown.yaml
