. ./lib.sh
suite=tests/live/suites/services.yaml

told() {
    check "$1" grep -q -e "$2" "$TMP/stderr"
}

run 0 "a service that becomes ready" $suite --set 'script=echo ready; exec sleep 1000'
check "its output is kept" grep -q '^ready' "$OUT/services/web.log"

run 0 "a service that ignores SIGTERM, and its children" $suite \
    --set 'script=trap "" TERM; sleep 1000 & sleep 1000 & echo ready; wait; wait'

run 3 "a service that never gets ready" $suite --set within=300ms \
    --set 'script=echo still opening the database; exec sleep 1000'
told "never ready: the last lines are shown" "still opening the database"

run 3 "a service that dies at once" $suite --set 'script=echo no such database >&2; exit 7'
told "dies at once: the cause is told" "exited with 7"
told "dies at once: the last lines are shown" "no such database"

run 3 "a service that dies under load" $suite --set duration=60s \
    --set 'script=echo ready; sleep 1; echo giving up; exit 9'
told "dies under load: the cause is told" "exited with 9"
told "dies under load: the last lines are shown" "giving up"

# A port that somebody else has.
env "LIVE_TEST=$TMP" "$SHAKEDOWN" target --plain --listen 127.0.0.1:0 --port-file "$TMP/port" >/dev/null 2>&1 &
OTHER=$!
check "the other server is up" until_true test -s "$TMP/port"
new_out
program run tests/live/suites/port.yaml --set port="$(cat "$TMP/port")" --out "$OUT" >"$TMP/stdout" 2>"$TMP/stderr"
expect_code 3 $? "a port that is taken"
told "port taken: the cause is told" "in use"
kill "$OTHER"
wait "$OTHER"

run 3 "a target that nothing listens at" tests/live/suites/unreachable.yaml
told "unreachable: the cause is told" "refused"
check "unreachable: the load was not sent" grep -q '<skipped' "$OUT/junit.xml"

# --no-cleanup keeps the service, and says how to stop it.
new_out
program run $suite --no-cleanup --out "$OUT" --set 'script=echo ready; exec sleep 1000' \
    >"$TMP/stdout" 2>"$TMP/stderr" </dev/null
expect_code 0 $? "--no-cleanup"
stop=$(sed -n 's/.*\(kill [^`"]*[0-9]\).*/\1/p' "$TMP/stderr" | tail -n 1)
check "--no-cleanup: the service lives on" test -n "$(leftovers)"
nobody() {
    [ -z "$(leftovers)" ]
}
check "--no-cleanup: says how to stop it ($stop)" sh -c "$stop"
check "--no-cleanup: that stops it" until_true nobody
