# seconds: 40
. ./lib.sh

# When agents beat, by the stamps of the target's own server.
suite=tests/live/suites/agent-timing.yaml
ENROLMENT=peer-token
export ENROLMENT
printf 'peer-token\n' >"$TMP/token"

# start NAME OPTION...: a target; its folder is $DIR, its pid $TARGET and its address $ADDRESS.
start() {
    DIR=$TMP/$1
    shift
    mkdir "$DIR"
    env "LIVE_TEST=$TMP" "$SHAKEDOWN" target --ingest --quiet --ingest-token-file "$TMP/token" --ingest-generation tls \
        --port-file "$DIR/port" "$@" >"$DIR/log" 2>&1 </dev/null &
    TARGET=$!
    check "the target is up: $*" until_true test -s "$DIR/port"
    ADDRESS=localhost:$(cat "$DIR/port")
}

stop() {
    kill -TERM $TARGET
    wait $TARGET
    check "the target ends well" [ $? -eq 0 ]
}

# fleet WHAT ARG...: a run of the suite that passes.
fleet() {
    what=$1
    shift
    new_out
    program run $suite "$@" --out "$OUT" >"$TMP/stdout" 2>"$TMP/stderr" </dev/null
    expect_code 0 $? "$what"
    expect_agreement 0 "$what"
}

# timing INTERVAL 'EXPRESSION': of the server's page `t`.
timing() {
    curl -s --cacert "$TMP/ca.pem" "https://$ADDRESS/ingest/timing?interval=$1" | /usr/bin/python3 -c "import json, sys
t = json.load(sys.stdin)
sys.exit(0 if $2 else repr(t))"
}

start even --ca-out "$TMP/ca.pem"
fleet "a fleet at its own phases" --set "url=https://$ADDRESS" --set "ca=$TMP/ca.pem" --set agents=400
check "every agent beats once an interval" \
    timing 1s "t['beating'] == 400 and t['beats_min'] >= 3 and t['beats_max'] <= 5"
# Half as much again as is exceeded once in a hundred runs is exceeded once in eighty thousand.
check "phases are uniform (Kolmogorov and Smirnov)" timing 1s "t['ks'] < 1.5 * t['ks_critical']"
stop

# A day of beats every 30 s is 2,880 intervals.  Whatever waited is sent, so the number of beats says that
# nothing drifts; after the first fifth neither side may take more memory for the rest.
beaten() {
    timing 10ms "t['beats'] >= $1"
}
kib() {
    sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$1/status"
}
case $SHAKEDOWN in
*/address/* | */thread/*) growth=1000000 ;; # what they keep of freed memory is theirs
*) growth=3000 ;; # beats that wait in a stall of this machine take room that is kept; one that leaks takes 6 MB
esac
start day --ca-out "$TMP/ca.pem"
start_run $suite --set "url=https://$ADDRESS" --set "ca=$TMP/ca.pem" --set interval=10ms --set duration=28800ms
check "the first hours" until_true beaten 28800
runner=$(kib "$RUN") server=$(kib "$TARGET")
check "the other hours" until_true beaten 140000
check "nothing leaks in the runner ($runner KiB, then $(kib "$RUN"))" [ $(($(kib "$RUN") - runner)) -lt $growth ]
check "nor in the server ($server KiB, then $(kib "$TARGET"))" [ $(($(kib "$TARGET") - server)) -lt $growth ]
wait $RUN
expect_code 0 $? "a day of beats"
check "not a beat too many or too few" \
    timing 10ms "t['beating'] == 50 and t['beats_min'] >= 2879 and t['beats_max'] <= 2881"
stop

# Two desks: while one is asked to open, the other may be open at once and take whoever is in line.
start plain --plain
fleet "registrations at a desk that opens at once" --set "url=http://$ADDRESS" --set agents=500 \
    --set concurrency=128 --set duration=2s
check "nobody is lost in the line" /usr/bin/python3 -c "import json, sys
m = json.load(open(sys.argv[1]))['phases'][0]['steps'][0]['metrics']
sys.exit(0 if m['registrations_active']['values']['count'] == 500 else repr(m['registrations_active']))" "$OUT/result.json"
stop
