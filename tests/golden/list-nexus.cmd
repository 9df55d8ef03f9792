"$SHAKEDOWN" list ../../suites/nexus.yaml --format json
