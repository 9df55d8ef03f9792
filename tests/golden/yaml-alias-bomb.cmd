"$SHAKEDOWN" validate suites/yaml-alias-bomb.yaml
