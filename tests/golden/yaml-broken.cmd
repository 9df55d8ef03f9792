"$SHAKEDOWN" validate suites/yaml-broken.yaml
