. ./lib.sh

# The strict dialect is valid by both of the schemas that are in use.
strict() {
    code=$1 name=$2
    shift 2
    run "$code" "$name" "$@" --junit "$TMP/strict.xml" --junit-dialect strict
    for xsd in tests/fixtures/junit-*.xsd; do
        check "$name: $(basename "$xsd")" xmllint --noout --schema "$xsd" "$TMP/strict.xml"
    done
    check "$name: the results have the same document" test -s "$OUT/junit.xml"
}

check "there are two JUnit schemas" test "$(ls tests/fixtures/junit-*.xsd | wc -l)" -eq 2
strict 0 "JUnit of a pass" tests/live/suites/measures.yaml
strict 1 "JUnit of a breach" tests/live/suites/measures.yaml --set latency=500ms --set limit=100ms
strict 3 "JUnit of an inconclusive run" tests/live/suites/no-data.yaml
strict 3 "JUnit of a target that is not there" tests/live/suites/unreachable.yaml
strict 3 "JUnit of a service that dies" tests/live/suites/services.yaml --set 'script=printf "bad \033[31m\001]]>&<\n"; exit 1'

check "the suite schema is valid, and takes what is shipped" \
    /usr/bin/python3 tests/live/schema.py docs/suite.schema.json good suites/*.yaml tests/live/suites/*.yaml tests/golden/suites/good.yaml
check "the suite schema refuses mistakes" \
    /usr/bin/python3 tests/live/schema.py docs/suite.schema.json bad tests/golden/suites/shape-unknown-keys.yaml \
    tests/golden/suites/shape-two-drivers.yaml tests/golden/suites/shape-no-phases.yaml tests/golden/suites/shape-no-driver.yaml
