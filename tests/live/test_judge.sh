. ./lib.sh

run 0 "a run within its limits" tests/live/suites/judge.yaml --set share=50%
shake 0 "judge: the same limits give the same verdict" judge "$OUT"
shake 1 "judge: a harder share is breached" judge "$OUT" --set share=2%
shake 1 "judge: a harder quantile is breached" judge "$OUT" --set limit=50ms
shake 2 "judge: a limit that is none" judge "$OUT" --set limit=soon
shake 2 "judge: no such variable" judge "$OUT" --set limt=1s

mv "$OUT" "$TMP/elsewhere"
shake 0 "judge: a folder that was moved" judge "$TMP/elsewhere"
cp "$TMP/stdout" "$TMP/first"
shake 0 "judge: once more" judge "$TMP/elsewhere"
check "judge: gives the same bytes twice" cmp "$TMP/first" "$TMP/stdout"

run 1 "a run beyond its limits" tests/live/suites/judge.yaml
shake 1 "judge: still a breach" judge "$OUT"
shake 0 "judge: softer limits are met" judge "$OUT" --set share=50%
shake 2 "judge: no such folder" judge "$TMP/gone"
printf '{' >"$OUT/result.json"
shake 2 "judge: a damaged result" judge "$OUT"

run 3 "a service that dies" tests/live/suites/services.yaml --set 'script=exit 1'
cp "$OUT/summary.txt" "$TMP/told"
shake 3 "judge: it is still dead" judge "$OUT"
check "judge: and the summary says so as it did" cmp "$TMP/stdout" "$TMP/told"
