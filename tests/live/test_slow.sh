# seconds: 90
. ./lib.sh

suite=tests/live/suites/slow.yaml

# part HOW: the run has evictions that ended so.
part() {
    tr -s '\n ' ' ' <"$OUT/summary.txt" >"$TMP/words"
    check "$2" grep -Eq "[0-9,]+ x $1([,; ]|\$)" "$TMP/words"
}

run 0 "nginx withstands slow headers" $suite --preset nginx --set hold_for=7s
check "nginx: evictions as its own log has them" /usr/bin/python3 tests/live/evictions.py "$OUT" "$OUT/services/nginx.log"
shake 0 "a stored run is judged alike" judge "$OUT"
check "stored: the same windows" sh -c "grep -E '^    (before|during|after) ' '$OUT/summary.txt' | grep -Fvxf '$TMP/stdout' | wc -l | grep -qx 0"
shake 3 "stored: an attack that should have held longer is no pass" judge "$OUT" --set at_least=6s --set held=100%

run 0 "apache with mod_reqtimeout withstands" $suite --preset apache --set held=30%
part status-408 "apache: answers 408"
run 1 "apache without mod_reqtimeout does not" $suite --preset apache --set reqtimeout=none --set workers=32 --set hold_for=7s
run 0 "haproxy withstands" $suite --preset haproxy
part status-408 "haproxy: answers 408"
run 1 "a server of one thread breaches" $suite --preset single --set hold_for=7s

run 3 "an attack that is dropped is no pass" $suite --preset deaf
check "dropped: says so" grep -q 'no connection was ever held' "$OUT/summary.txt"
run 3 "an attack that is refused is no pass" $suite --set attack_url=http://127.0.0.1:1/

# A fifth of the control traffic fails while the attack holds, and less than a twentieth over all.
run 1 "only the time of the attack is judged" $suite --set busy=20 --set fail_every=5 --set before=6s --set after=6s \
    --set hold_for=4s
shake 0 "and the times before and after it by themselves" judge "$OUT" --set min_ok=70%

run 0 "a reset is told from an end" $suite --set patience=1 --set end=rst --set hold_for=3s
part rst "reset: by RST"
run 0 "an alert is told by its name" $suite --set patience=1 --set end=alert --set hold_for=3s \
    --preset tls --set attack=client-hello-drip
part alert-handshake_failure "alert: by its name"

# peek SLOTS CODE NAME: a proxy with other time-outs, and the suite's limits to match.  Within a second after
# all slots are taken the first is free again.
peek() {
    rm -f "$TMP/peek"
    /usr/bin/python3 tests/fixtures/peek.py --slots "$1" --first 1.5 --per-read 1 --absolute 2.3 >"$TMP/peek" &
    pid=$!
    until_true grep -q listening "$TMP/peek"
    port=$(sed -n 's/listening on //p' "$TMP/peek")
    run "$2" "$3" suites/edge-peek.yaml --set "url=https://127.0.0.1:$port/" --set connections=120 --set rate=200/s \
        --set slots_least=92 --set slots_most=94 --set first_least=1.3s --set first_most=2s --set absolute_least=2.1s \
        --set absolute_most=2.8s --set silence_for=3s --set drip_for=4s --set every=300ms --set settle=300ms
    kill "$pid"
    wait "$pid"
    check "$3: within 1 and 100 ms" /usr/bin/python3 tests/live/peek.py "$OUT" "$TMP/peek"
}
peek 93 0 "the peek bound and its time-outs are found"
peek 97 1 "another bound is told from it"
