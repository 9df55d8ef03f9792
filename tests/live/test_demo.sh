. ./lib.sh

run 0 "demo passes" suites/demo.yaml
check "demo: nothing on standard output" test ! -s "$TMP/stdout"
check "demo: the service's output is kept" test -e "$OUT/services/shop.log"

run 1 "demo breaches when the target misbehaves" suites/demo.yaml --preset breach
check "demo: a breach does not stop the cleanup" grep -q cleanup "$OUT/summary.txt"
