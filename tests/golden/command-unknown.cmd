"$SHAKEDOWN" valdate suites/good.yaml
