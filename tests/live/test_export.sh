. ./lib.sh

run 0 "export: steps of several targets" tests/live/suites/export.yaml
shake 0 "export: k6's summary" report "$OUT" --format k6-summary --out "$TMP/k6.json"
check "export: is what k6 hands to handleSummary" \
    /usr/bin/python3 tests/live/k6.py "$TMP/k6.json" "$OUT/result.json" f5,nginx
shake 0 "export: harder limits" report "$OUT" -f k6-summary --set limit=1ns
check "export: show as thresholds that are not ok" grep -A 4 '"p(95)<1ns"' "$TMP/stdout"
check "export: and only those" sh -c "grep -c '\"ok\": false' '$TMP/stdout' | grep -qx 1"

for pair in summary:summary.txt markdown:summary.md junit:junit.xml json:result.json; do
    shake 0 "export: ${pair%:*}" report "$OUT" --format "${pair%:*}"
    check "export: ${pair%:*} is that of the run" cmp "$TMP/stdout" "$OUT/${pair#*:}"
done
shake 0 "export: strict JUnit" report "$OUT" --format junit-strict -o "$TMP/strict.xml"
for xsd in tests/fixtures/junit-*.xsd; do
    check "export: $(basename "$xsd")" xmllint --noout --schema "$xsd" "$TMP/strict.xml"
done
shake 2 "export: no such folder" report "$TMP/gone"
shake 3 "export: nowhere to write" report "$OUT" --out "$TMP/gone/k6.json"
