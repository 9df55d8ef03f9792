. ./lib.sh

# Descriptors that only run out under load: of this process, not of the target's answers.
program() {
    (ulimit -n 110 && exec env "LIVE_TEST=$TMP" "$SHAKEDOWN" "$@")
}
run 3 "an open load that runs out of descriptors" tests/live/suites/ports.yaml --only exhausted --set rate=400/s
check "is this machine's fault too" grep -q 'local resource (client)' "$OUT/summary.txt"
check "and says which limit" sh -c "tr -s ' \n' ' ' <'$OUT/summary.txt' | grep -q 'raise the limit of open files'"

# A network of its own with 16 local ports, in which loopback is all there is.
isolated() {
    unshare -n sh -c 'ip link set lo up && echo "40000 40015" >/proc/sys/net/ipv4/ip_local_port_range && exec "$@"' sh "$@"
}
if ! isolated true >/dev/null 2>&1; then
    echo "ok - skipped: no network namespaces here (needs root, unshare and ip)"
    exit 0
fi
program() {
    isolated env "LIVE_TEST=$TMP" "$SHAKEDOWN" "$@"
}

run 2 "40 connections from 16 ports are refused" tests/live/suites/ports.yaml --only too-many --set vus=40
check "with the arithmetic" grep -q 'ports.yaml:[0-9]*:[0-9]*: phase "too-many" needs 40 connections at once to target "web", and there are 16 local ports' "$TMP/stderr"
check "and the cure" grep -q 'give the target 3 addresses as its source' "$TMP/stderr"
run 0 "the same from four addresses" tests/live/suites/ports.yaml --only spread
run 3 "an open load that runs out of ports" tests/live/suites/ports.yaml --only exhausted
check "is this machine's fault" grep -q 'local resource (client)' "$OUT/summary.txt"
check "by name" sh -c "tr -s ' \n' ' ' <'$OUT/summary.txt' | grep -q 'all local ports are taken: add addresses'"
