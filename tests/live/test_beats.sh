# alone
. ./lib.sh
. tests/live/peers.sh

# The phases of a fleet are uniform (Kolmogorov-Smirnov against the uniform distribution), and every agent
# beats once an interval, give or take the jitter: by the server's clock, which a busy machine makes late.
# What a moment's noise has spoiled is tried again; what is wrong is so each time.
cat >"$TMP/judge.py" <<'PY'

import json, math, sys
beats = {a: sorted(t) for a, t in json.load(open(sys.argv[1]))["beats_of"].items()}
assert len(beats) == 150
phases = sorted(t[2] % 1.0 for t in beats.values())
n = len(phases)
distance = max(max((i + 1) / n - p, p - i / n) for i, p in enumerate(phases))
assert distance < 1.95 / math.sqrt(n), f"D = {distance} (p < 0.001)"
gaps = [b - a for t in beats.values() for a, b in zip(t[1:], t[2:])]
odd = [g for g in gaps if not 0.75 < g < 1.25]
assert len(odd) < len(gaps) * 0.02, odd
moved = [g for g in gaps if abs(g - 1) > 0.02]
assert len(moved) > len(gaps) / 2, "only the first beat is jittered"
assert all(4 <= len(t) <= 6 for t in beats.values()), sorted(map(len, beats.values()))
PY

timed() {
    dir=$TMP/timed$1
    mkdir "$dir"
    env "LIVE_TEST=$TMP" $python $peers/ingest_server.py --dir "$dir" >"$dir/log" 2>&1 &
    server=$!
    until_true test -e "$dir/port"
    program run tests/live/suites/peer-fleet.yaml --set address="localhost:$(cat "$dir/port")" --set ca="$dir/ca.pem" \
        --set agents=150 --set interval=1s --set duration=5s --set fan_out=50 --set checks='count==0' \
        --set missed='count<10' --out "$dir/out" </dev/null >"$dir/said" 2>&1
    code=$?
    stop
    [ $code -eq 0 ] && $python "$TMP/judge.py" "$dir/report.json"
}
thrice() {
    timed 1 || timed 2 || timed 3
}
check "beats are uniform in phase, once an interval" thrice
