"$SHAKEDOWN" run --dry-run ../../suites/edge-peek.yaml --set url=https://edge.example.com/
