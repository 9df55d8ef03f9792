"$SHAKEDOWN" list suites/list-unset.yaml
