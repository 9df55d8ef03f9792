# seconds: 66
. ./lib.sh

# The fleet against the independent server: what it does, how it fails, and how it comes back.
suite=tests/live/suites/agent.yaml
ENROLMENT=peer-token
export ENROLMENT

# serve NAME ARG...: a server; its folder is $DIR and its pid $PEER.
serve() {
    DIR=$TMP/$1
    shift
    mkdir "$DIR"
    env "LIVE_TEST=$TMP" /usr/bin/python3 tests/peers/ingest_server.py --dir "$DIR" "$@" >"$DIR/log" 2>&1 &
    PEER=$!
    check "a server is up ($*)" until_true test -e "$DIR/port"
}

unserve() {
    kill -TERM "$PEER"
    wait "$PEER"
}

# fleet CODE WHAT ARG...
fleet() {
    code=$1 what=$2
    shift 2
    new_out
    program run $suite --set "port=$(cat "$DIR/port")" --set "ca=$DIR/ca.pem" "$@" --out "$OUT" \
        >"$TMP/stdout" 2>"$TMP/stderr" </dev/null
    expect_code "$code" $? "$what"
    [ "$code" -eq 2 ] || expect_agreement "$code" "$what"
}

# seen 'EXPRESSION': of the server's report `r`; metric 'EXPRESSION': of the run's metrics `m`.
seen() {
    /usr/bin/python3 -c "import json, sys
r = json.load(open(sys.argv[1]))
sys.exit(0 if $1 else repr(r)[:600])" "$DIR/report.json"
}

metric() {
    /usr/bin/python3 -c "import json, sys
r = json.load(open(sys.argv[1]))['phases'][0]['steps'][0]
m = {k: v['values'] for k, v in r['metrics'].items()}
e = ' '.join(x['text'] if 'text' in x else str(x) for x in r.get('errors', []))
n = lambda k: m[k]['count'] if k in m else 0
sys.exit(0 if $1 else repr(m)[:3000])" "$OUT/result.json"
}

cat >"$TMP/push.json" <<'END'
{"checks": [{"check_id": "c1", "check_type": "http", "interval_seconds": 1}],
 "queries": ["list_ports", "list_services", "odd"],
 "tasks": [{"task_type": "software_inventory", "config_json": "{}"},
           {"task_type": "software_inventory_scan", "config_json": "{}"},
           {"task_type": "script", "config_json": "{}"}],
 "terminal": true, "rotate": true, "server_cert": true}
END
serve pushes --mtls --push "$TMP/push.json" --tick 0.05
fleet 0 "a fleet answers all that a server asks for" --set duration=7s
unserve
check "how many streams are up stands on the live line" grep -q ' in flight, 20 streams up$' "$TMP/stderr"
check "every agent registered once, with raw keys and good requests" \
    seen "r['agents'] == 21 and r['keys_raw'] == 21 and r['csr_good'] == 21 and r['keys_other'] == 0"
check "each stream began with a token and went on with the id" \
    seen "r['first_tokens'] == 20 == r['streams'] and r['beats_misnamed'] == 0"
check "a connection shows the certificate of one of its agents" \
    seen "r['certificate_own'] == 5 and r['certificate_other'] == 15 and r['connections'] == 7"
check "checks run at their own interval" \
    seen "80 <= sum(r['check_results'].values()) <= 200"
check "queries" seen "r['query_results'] == {'list_ports:ok:3:0': 20, 'list_services:ok:0:2': 20, 'odd:error:0:0': 20}"
check "tasks report progress and a result" seen "r['task_results'].get('script:0', 0) >= 3 and r['progress'] >= 40"
check "inventories of both names, authorized and whole" seen "r['inventories'] == 40 and r['packages'] == 40000"
check "terminals" seen "r['terminals'] == 20"
check "the pushed server certificate is pinned" seen "r['pinned'] > 0"
check "the driver counts what the server saw" \
    metric "n('inventory_scans') == 40 and n('terminal_sessions') == 20 and n('queries_answered') == 60 and n('tasks_completed') >= 3 and n('certificates_rejected') == 20"
check "each beat that was due was sent and answered" \
    metric "n('beats_due') == n('beats_sent') == n('beats_answered') == n('iterations') > 0"
check "every message has a round trip of its own" \
    metric "n('beat_rtt') == n('beats_answered') + n('beats_extra')"
check "registrations are timed, streams counted, and how long each agent was silent" \
    metric "n('register_duration') == n('registrations') == 20 and m['streams_up']['max'] == 20 and n('staleness') == n('beat_rtt')"
check "a terminal that is announced twice is no reply too many" metric "'no beat had asked' not in e"

echo '{"tasks": [{"task_type": "software_inventory", "config_json": "{}"}], "cancel": true}' >"$TMP/cancel.json"
serve cancelled --mtls --push "$TMP/cancel.json" --tick 0.05
fleet 0 "a server cancels inventories that are on their way"
unserve
check "each is let go, and its task ends as cancelled" seen "r['task_results'] == {'software_inventory:1': 20}"
check "which is counted, and no failure" \
    metric "n('tasks_cancelled') == 20 and n('inventory_scans') == 0 and 'SubmitSoftwareInventory' not in e"

echo '{"renew": true}' >"$TMP/renew.json"
serve renewed --mtls --push "$TMP/renew.json"
fleet 0 "certificates are renewed by the server"
unserve
check "each connection was opened anew and shows the new one" \
    seen "r['renewed_used'] >= 15 and r['certificate_own'] == 10"
check "which is neither a failure nor a reconnect" \
    metric "n('certificates_pushed') >= 10 and n('reconnects') == 0 and n('beats_answered') == n('beats_due') and e == ''"

echo '{"turn": true}' >"$TMP/turn.json"
serve turned --mtls --push "$TMP/turn.json"
fleet 0 "tasks come while connections end for a new certificate" --set interval=600ms
unserve
check "each is done on the next connection" seen "r['inventories'] == 20"
check "and nothing is laid to the server" metric "'takes no further calls' not in e"

serve operator --mtls
suite=$TMP/operator.yaml
sed "s|tls: {|tls: {cert: $DIR/operator.pem, key: $DIR/operator.pem, |" tests/live/suites/agent.yaml >"$suite"
fleet 0 "agents of a target that has a certificate" --set duration=2s
suite=tests/live/suites/agent.yaml
unserve
check "show their own in its place" seen "r['certificate_own'] == 5 and r['certificate_other'] == 15"

serve foreign --foreign
fleet 0 "certificates of other keys" --set duration=2s
unserve
check "are told, not shown, and laid to the server" \
    metric "n('certificates_rejected') == 20 and 'client_errors' not in m and \"not of the agent's key\" in e"

serve restart --mtls
start_run $suite --set "port=$(cat "$DIR/port")" --set "ca=$DIR/ca.pem" --set duration=7s
check "the fleet is up" until_true seen "r['streams_now'] == 20"
kill -USR1 "$PEER"
check "after a restart it is up again" until_true seen "r['streams_now'] == 20 and r['streams'] >= 40"
kill -USR2 "$PEER"
check "after a cut it is up again" until_true seen "r['streams_now'] == 20 and r['streams'] >= 60"
wait $RUN
unserve
check "losses are counted reconnects" metric "n('reconnects') >= 40 and n('registrations_active') == 20"
check "and what waited meanwhile is late" metric "n('beats_late') > 0"

serve storm --mtls
suite=tests/live/suites/agent-storm.yaml
fleet 0 "a storm" --set drop_all=1500ms --set duration=4s --set recover=5s
check "all recover, and the time is taken" metric "n('time_to_recover') == 1 and n('reconnects') == 20"
fleet 1 "a storm that takes too long" --set drop_all=1s --set duration=5s --set recover=1ms
suite=tests/live/suites/agent.yaml
unserve

serve refuse --refuse
fleet 0 "streams that the server refuses" --set interval=300ms
unserve
check "are opened again, on the connection that they were on" \
    metric "n('reconnects') == 5"
check "which is no connection more" seen "r['streams'] == 25 and r['connections'] == 7"
check "and the reset is told" metric "'stream reset by the server: REFUSED_STREAM' in e"

serve failing --fail Heartbeat=14:1
fleet 1 "streams that fail breach" --set duration=2s
check "by status" metric "m['rpcs{part:UNAVAILABLE}']['count'] >= 20"
unserve

for case in "pending:--pending:does not approve agents by itself" \
    "uses:--max-uses 0:UNAUTHENTICATED" "revoked:--status revoked:status .*revoked" \
    "tokenless:--status active:and no jwt_token" "streams:--streams 2:set fan_out to 2 or less" "service:--no-service:UNIMPLEMENTED" \
    "alpn:--no-alpn:did not choose h2 by ALPN"; do
    name=${case%%:*} rest=${case#*:}
    # shellcheck disable=SC2086
    serve "$name" ${rest%%:*}
    fleet 3 "preflight: $name"
    check "says so" grep -q "${rest#*:}" "$OUT/result.json"
    unserve
done

# A server that wants a certificate of everybody says so with an alert, after the handshake.
DIR=$TMP/demand
mkdir "$DIR"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -addext subjectAltName=DNS:localhost \
    -keyout "$DIR/key.pem" -out "$DIR/ca.pem" 2>/dev/null
env "LIVE_TEST=$TMP" openssl s_server -www -accept 127.0.0.1:0 -Verify 1 -alpn h2 -cert "$DIR/ca.pem" -key "$DIR/key.pem" \
    >"$DIR/log" 2>&1 </dev/null &
PEER=$!
check "a server that demands certificates is up" until_true grep -q '^ACCEPT .*:[1-9]' "$DIR/log"
sed -n 's/^ACCEPT .*://p' "$DIR/log" | head -n 1 >"$DIR/port"
fleet 3 "preflight: no certificate to register with"
check "says what to give" grep -q 'give the target one (tls: {cert: FILE, key: FILE})' "$OUT/result.json"
unserve

serve refused
(
    ulimit -n 68
    program run $suite --set "port=$(cat "$DIR/port")" --set "ca=$DIR/ca.pem" --out "$TMP/refused" >"$TMP/stdout" 2>"$TMP/stderr"
)
expect_code 2 $? "more connections than descriptors are refused"
check "with the arithmetic" \
    grep -q 'needs 6 connections at once (20 agents .* 4 on a connection .* and 1 more to register) and 64 descriptors besides' "$TMP/stderr"
unserve
check "before anything is sent" seen "r['connections'] == 0"

serve hang --hang
start_run $suite --set "port=$(cat "$DIR/port")" --set "ca=$DIR/ca.pem"
check "the preflight waits" until_true seen "r['connections'] == 1"
kill -INT $RUN
wait $RUN
expect_code 3 $? "a preflight is interrupted"
check "and says so" grep -q "preflight: interrupted" "$OUT/result.json"
unserve

# nghttpd answers 404: our requests are HTTP/2 to it, and its answer is no gRPC.
run 0 "a server that speaks HTTP/2 alone" tests/live/suites/agent-nghttpd.yaml
check "its status is told" grep -q 'HTTP status 40[45] in place of a gRPC answer' "$OUT/result.json"
check "and nothing was broken" metric "'rpcs{part:UNAVAILABLE}' not in m and n('registrations_failed') >= 5"
