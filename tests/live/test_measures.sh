# alone
. ./lib.sh

# Every excess here is far above any lag of a busy machine, which would rightly void the verdict.
run 0 "an easy load" tests/live/suites/measures.yaml
run 1 "a latency above its limit" tests/live/suites/measures.yaml --set latency=500ms --set limit=100ms
# One slot of 20 ms serves 50 of the 100 arrivals a second: the others wait, and waiting counts.
run 1 "an overload shows its queue" tests/live/suites/measures.yaml --set latency=20ms --set slots=1 --set limit=500ms
# The target stands still half of the time, so a quarter of all arrivals wait for 250 ms or longer.
run 1 "a stall of the target is not hidden" tests/live/suites/stall.yaml --set limit=150ms
run 3 "a threshold without samples is no pass" tests/live/suites/no-data.yaml
check "without samples: says so" grep -qi 'no samples' "$OUT/summary.txt"

# With nothing between them but the kernel, the target's own stamps have to count from there.
env "LIVE_TEST=$TMP" "$SHAKEDOWN" target --plain --listen 127.0.0.1:0 --port-file "$TMP/port" >/dev/null 2>&1 &
TARGET=$!
check "a target is up" until_true test -s "$TMP/port"
check "what a stopped target did not read counts as its time" tests/live/stopped.py "$TARGET" "$(cut -d ' ' -f 1 "$TMP/port")"
kill "$TARGET"
wait "$TARGET"
