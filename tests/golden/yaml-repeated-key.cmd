"$SHAKEDOWN" validate suites/yaml-repeated-key.yaml
