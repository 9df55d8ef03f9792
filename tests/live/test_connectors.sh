# seconds: 50
. ./lib.sh

# The suites about the servers that certificates are deployed to, with nginx, apache2, haproxy and the
# target's BIG-IP; each with the faults that it is there to find.
unset CERTCTL_BASE CERTCTL_TOKEN NGINX_TARGET_URL APACHE_TARGET_URL HAPROXY_TARGET_URL F5_TARGET_URL CA_FILE

breached() {
    check "$1" grep -qE "BREACH +$2" "$OUT/summary.txt"
}

certctl() {
    code=$1 name=$2 suite=$3
    shift 3
    run "$code" "$name" "suites/certctl-$suite.yaml" --preset smoke "$@"
}

handshakes_of() { # STEP: how many were measured
    /usr/bin/python3 -c '
import json, sys
phases = json.load(open(sys.argv[1] + "/result.json"))["phases"]
m = next(s["metrics"] for p in phases for s in p["steps"] if s["name"] == sys.argv[2])
print(m["http_req_tls_handshaking"]["values"]["count"])' "$OUT" "$1"
}

certctl 0 "four connectors pass" connectors
for step in nginx apache haproxy f5; do
    check "$step has its row" grep -qE "^ +${step}_handshake +60 +0 +0 " "$OUT/summary.txt"
    check "$step: each request had a handshake of its own" test "$(handshakes_of "${step}_handshake")" = 60
done

certctl 0 "all six side by side" all
certctl 1 "the failures of one are too many of all" all --set errors='10% 503'
breached "it is the limit on all together" 'op_failed rate<1%'
check "it is the only one" test "$(grep -c '^  BREACH   ' "$OUT/summary.txt")" -eq 1
shake 0 "judged again with another limit" judge "$OUT" --set max_error=50%

certctl 0 "a ceiling is found" ceiling --only nginx

# Servers that the suite did not start.  There are processes of ours now, so run()'s look for leftovers is
# not made here.
serve() {
    rm -f "$TMP/port"
    env "LIVE_TEST=$TMP" "$SHAKEDOWN" target --quiet --ca-out "$TMP/ca.pem" --port-file "$TMP/port" "$@" \
        >"$TMP/target" 2>&1 </dev/null &
    TARGET=$!
    check "a server of our own starts" until_true test -s "$TMP/port"
    URL="https://127.0.0.1:$(cat "$TMP/port")/"
}

real() {
    code=$1 name=$2 suite=$3
    shift 3
    new_out
    CA_FILE=$TMP/ca.pem program run "suites/certctl-$suite.yaml" --preset smoke "$@" --out "$OUT" \
        >"$TMP/stdout" 2>"$TMP/stderr" </dev/null
    expect_code "$code" $? "$name"
    expect_agreement "$code" "$name"
}

handshakes() {
    curl -s --cacert "$TMP/ca.pem" "${URL}stats" | sed -n 's/.*"handshakes_full": \([0-9]*\).*/\1/p'
}

serve --f5
F5_TARGET_URL=$URL
export F5_TARGET_URL
before=$(handshakes)
real 0 "a real BIG-IP passes" connectors
check "none of the suite's own is started" test ! -e "$OUT/services/f5.log"
# 60 requests, the look at its certificate, and the second reading of the counter itself
check "each request was a full handshake" test $(($(handshakes) - before)) -eq 62
kill -TERM $TARGET
wait $TARGET
unset F5_TARGET_URL

# A connector that is down cannot be judged; the others are.
NGINX_TARGET_URL=https://127.0.0.1:1/
export NGINX_TARGET_URL
certctl 3 "a connector that is down was not measured" connectors
check "down: that it was never reached is told" \
    grep -q '100% failed (60 of 60).* but the target was never reached: connect 127.0.0.1:1' "$OUT/result.json"
check "down: all the others have their row" \
    test "$(grep -cE '^ +(apache|haproxy|f5)_handshake +60 +0 +0 ' "$OUT/summary.txt")" -eq 3
check "down: and are within their limits" sh -c "! grep -E '(BREACH|inconclusive) +(apache|haproxy|f5)' '$OUT/summary.txt'"

serve --stall '1800ms every 2s'
NGINX_TARGET_URL=$URL
real 1 "handshakes that stall are found" connectors --set duration=4s  # whatever the phase, one whole stall
breached "the handshake is what breached" 'nginx_handshake: http_req_tls_handshaking p\(95\)<1s'
check "connecting did not" grep -qE 'pass +nginx_handshake: http_req_connecting' "$OUT/summary.txt"
check "nor did the others" sh -c "! grep -E 'BREACH +(apache|haproxy|f5)_' '$OUT/summary.txt'"
kill -TERM $TARGET
wait $TARGET

serve --first-byte 700ms
NGINX_TARGET_URL=$URL
real 1 "a first byte that is late is found" connectors
breached "waiting is what breached" 'nginx_handshake: http_req_waiting p\(95\)<500ms'
check "the handshake did not" grep -qE 'pass +nginx_handshake: http_req_tls_handshaking' "$OUT/summary.txt"
real 1 "a ceiling that is too low is found" ceiling --only nginx --set whole=300ms
breached "it is the answer" 'last_good value>=1 '
kill -TERM $TARGET
wait $TARGET
