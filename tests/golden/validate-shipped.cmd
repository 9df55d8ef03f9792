for s in ../../suites/*.yaml; do echo "$s"; "$SHAKEDOWN" validate "$s" || exit; done
