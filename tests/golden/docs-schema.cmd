"$SHAKEDOWN" schema | diff ../../docs/suite.schema.json - && echo "docs/suite.schema.json is what the tables say"
