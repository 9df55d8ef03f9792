. ./lib.sh
suite=tests/live/suites/interrupt.yaml

# To end at once is to leave threads where they are, which is no fault here.
TSAN_OPTIONS="${TSAN_OPTIONS-} report_thread_leaks=0"
export TSAN_OPTIONS

# The load has begun once the phase before it is in the reports.
loading() {
    until_true grep -q '"first"' "$OUT/result.json" && until_true serving
}

serving() {
    [ "$(leftovers | wc -l)" -ge 2 ]
}

for signal in INT TERM; do
    start_run $suite --set mark="$TMP/mark.$signal"
    check "SIG$signal: the load begins" loading
    kill -$signal "$RUN"
    wait "$RUN"
    expect_code 3 $? "SIG$signal during the load"
    expect_quiet "SIG$signal during the load"
    expect_agreement 3 "SIG$signal"
    check "SIG$signal: cleanup has run" test -e "$TMP/mark.$signal"
    check "SIG$signal: other phases have not" test ! -e "$TMP/mark.$signal.after"
    check "SIG$signal: the reports say so" grep -qi "interrupted" "$OUT/summary.txt"
done

start_run $suite --set mark="$TMP/twice" --set cleanup=50
check "second SIGINT: the load begins" loading
kill -INT "$RUN"
check "second SIGINT: cleanup begins" until_true test -e "$TMP/twice"
kill -INT "$RUN"
wait "$RUN"
expect_code 3 $? "a second SIGINT ends the run at once"
nobody() {
    [ -z "$(leftovers)" ]
}
check "second SIGINT: no process is left" until_true nobody
rm -rf "$TMPDIR" && mkdir "$TMPDIR"

start_run $suite --set mark="$TMP/killed"
check "SIGKILL: the load begins" loading
kill -KILL "$RUN"
wait "$RUN" 2>/dev/null
check "SIGKILL: no process is left" until_true nobody
check "SIGKILL: the reports so far can be read" /usr/bin/python3 -m json.tool "$OUT/result.json"
rm -rf "$TMPDIR" && mkdir "$TMPDIR"

start_run $suite --set mark="$TMP/normal" --set duration=until-stopped
check "until-stopped: the load begins" loading
kill -INT "$RUN"
wait "$RUN"
expect_code 0 $? "until-stopped: SIGINT is the normal end"
check "until-stopped: the phases after it run" test -e "$TMP/normal.after"
