. ./lib.sh

# The shipped gate, scaled down; its own numbers are held by tests/golden.
gate() {
    code=$1 name=$2 preset=$3
    shift 3
    run "$code" "$name" suites/edge-gate.yaml --preset "$preset" --set workers=8 --set concurrent_for=1s \
        --set rate=100 --set sustained_for=2s --set loris_conns=20 --set loris_for=2s --set control_rate=20 \
        --set control_before=1s --set control_after=1s --set control_least=1s "$@"
}

gate 0 "edge gate passes the embedded target" laptop
check "a service that nothing refers to is not started" test ! -e "$OUT/services/nginx.log"
gate 1 "edge gate finds the embedded target's errors" laptop --set 'path=/?errors=20%25+503'
gate 1 "edge gate finds the embedded target slow" laptop --set 'path=/?latency=500ms' --set p99=100ms
check "slowness alone: the sustained phase is what failed" grep -q 'op_duration' "$OUT/junit.xml"

gate 0 "edge gate passes nginx" nginx
check "nginx: only what the url refers to is started" test ! -e "$OUT/services/backend.log"
gate 1 "edge gate finds nginx's errors" nginx --set path=/flaky
gate 1 "edge gate finds nginx slow" nginx --set path=/slow --set p99=100ms

# In the middle of the attack, which is known by the sockets that it holds and would last for ten
# minutes.
attacking() {
    grep -q '"sustained-rate"' "$OUT/result.json" &&
        [ "$(find "/proc/$RUN/fd" -lname 'socket:*' 2>/dev/null | wc -l)" -ge 40 ]
}

for signal in INT TERM; do
    start_run suites/edge-gate.yaml --preset laptop --set workers=8 --set concurrent_for=1s --set rate=50 \
        --set sustained_for=1s --set loris_conns=40 --set loris_for=10m --set control_before=1s
    check "SIG$signal: the attack holds its connections" until_true attacking
    kill -$signal "$RUN"
    wait "$RUN"
    expect_code 3 $? "SIG$signal in the middle of the attack"
    expect_quiet "SIG$signal in the middle of the attack"
    expect_agreement 3 "SIG$signal in the middle of the attack"
    check "SIG$signal: the phases before it are in the reports" grep -q 'concurrent-baseline' "$OUT/junit.xml"
    check "SIG$signal: so is the attack" grep -q 'slow-loris' "$OUT/junit.xml"
    check "SIG$signal: the reports say why" grep -qi interrupted "$OUT/summary.txt"
done
