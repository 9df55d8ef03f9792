"$SHAKEDOWN" help --markdown | diff ../../docs/reference.md - && echo "docs/reference.md is what the tables say"
