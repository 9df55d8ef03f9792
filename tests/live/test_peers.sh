# seconds: 60
. ./lib.sh
. tests/live/peers.sh

# The independent peers of the agent fleet, and our messages against theirs.

messages() {
    $python $peers/messages.py "$(dirname "$SHAKEDOWN")/messages" >"$TMP/messages" 2>&1
    code=$?
    cat "$TMP/messages"
    grep -q '^not ok' "$TMP/messages" || [ "$code" -eq 0 ] || not_ok "messages.py ended with $code"
    failures=$((failures + $(grep -c '^not ok' "$TMP/messages")))
}
messages

serve --push tests/live/suites/peer-pushes.json
fleet 0 "a fleet against Google's server"
stop
saw "every agent registered, and one for the preflight" 'r["agents"] == 21 and r["codes"]["Register:OK"] == 21'
saw "public keys are the contract's raw 32 bytes" 'r["keys_raw"] == 21 and r["keys_other"] == 0'
saw "the signatures of their CSRs hold" 'r["csr_good"] == 21 and r["csr_bad"] == 0'
saw "a token first, then the agent's id" 'r["first_tokens"] == 20 and r["beats_misnamed"] == 0'
saw "each has one stream and beats once an interval" 'r["streams"] == 20 and all(4 <= len(b) <= 20 for b in beats.values())'
saw "queries are answered" 'r["query_results"] == {"list_ports:ok:3:0": 20, "list_services:ok:0:2": 20}'
saw "inventories arrive whole, with a token" 'r["inventories"] == 20 and r["packages"] == 20000'
saw "terminals are held and closed" 'r["terminals"] == 20'
saw "checks run at their interval" '20 <= sum(r["check_results"].values()) <= 100'
saw "the server's certificate is pinned" 'r["pinned"] > r["beats"] // 2 and r["versions"] == {"dev": r["beats"]}'

serve --mtls --no-terminal
fleet 0 "with client certificates" --set checks='count==0' --set fan_out=1 --set shown=agent --set interval=1s --set duration=3s
stop
saw "each shows its own certificate" 'r["certificate_own"] == 20 and r["certificate_other"] == 0'
serve --mtls --no-terminal
fleet 0 "with one certificate for a connection" --set checks='count==0'
stop
saw "the certificate of an agent of that connection" 'r["certificate_own"] + r["certificate_other"] == 20 and r["certificate_own"] >= 4'

# What goes wrong, each case beside the others: most of their time is waiting.
job() {
    jobs=$((jobs + 1))
    (
        trap - EXIT
        TMP=$TMP/job$jobs-
        TMPDIR=$TMP/tmp
        mkdir -p "$TMPDIR"
        "$@" 2>&1
        kill -TERM $server 2>/dev/null
    ) >"$TMP/job$jobs.out" &
}
jobs=0

up() { # all 20 agents have a stream, after at least so many
    $python -c 'import json, sys
r = json.load(open(sys.argv[1]))
sys.exit(not (r["streams_now"] == 20 and r["streams"] >= int(sys.argv[2])))' "$dir/report.json" "$1"
}

# A rolling restart and a cut are counted reconnects, after which all beat again.
restarts() {
    serve
    ( until_true up 20; kill -USR1 $server; until_true up 40; kill -USR2 $server ) &
    fleet 0 "a rolling restart and a cut" --set duration=8s --set checks='count==0' --set reconnects='count>=40' \
        --set failed='rate<80%' --set missed='count<1000'
    stop
    saw "all beat again" 'r["streams"] >= 60 and all(max(map(max, beats.values())) - b[-1] < 2 for b in beats.values())'
}
# A server that ends each stream with OK after three beats: the agents come back, and after 1 s each time,
# because they had been answered in between; pauses that double would leave room for three streams.
ends() {
    serve --end-after 3
    fleet 0 "streams that end without an error" --set duration=10s --set interval=200ms --set checks='count==0' \
        --set reconnects='count>=60' --set failed='rate<90%' --set missed='count<100000' --set rtt=10s
    stop
    saw "each time after the same pause" 'r["streams"] >= 80 and len(beats) == 20'
}
# A server that stands still: only a ping finds out, and then connections are missing for a second (01: established).
let_go() {
    awk -v port="$(printf ':%04X$' "${address#*:}")" '$4 == "01" && $2 ~ port { n++ } END { exit n >= 6 }' /proc/net/tcp
}
connected() {
    $python -c 'import json, sys
sys.exit(json.load(open(sys.argv[1]))["connections"] < 7)' "$dir/report.json"
}
frozen() {
    serve
    ENROLMENT=$LIVE_TOKEN
    export ENROLMENT
    start_run tests/live/suites/agent.yaml --set port="${address#*:}" --set ca="$dir/ca.pem" --set keepalive=10s \
        --set patience=500ms --set interval=20s --set duration=14s
    check "the fleet has its connections" until_true connected
    kill -STOP $server
    check "a server that stands still is let go" until_true let_go
    kill -CONT $server
    wait $RUN
    stop
    check "because it answers no ping" grep -q "no answer to a ping within 500ms" "$OUT/result.json"
}
slow() {
    serve --latency 0.3
    fleet 1 "a slow server breaches" --set rtt=100ms --set checks='count==0' --set missed='count<100000'
    stop
}
wrong_token() {
    serve --token other
    fleet 3 "a wrong token"
    check "is named with its cure" grep -qi "token" "$OUT/summary.txt"
    stop
}
pending() {
    serve --pending
    fleet 3 "a token that approves nobody"
    check "is found by the preflight alone" grep -qi "approv" "$OUT/summary.txt"
    stop
    saw "and costs one registration" 'r["agents"] == 1'
}
no_service() {
    serve --no-service
    fleet 3 "a server without the service"
    check "is told as UNIMPLEMENTED" grep -q "UNIMPLEMENTED" "$OUT/result.json"
    stop
    serve --no-alpn
    fleet 3 "a server that does not take h2"
    stop
}
no_tls() {
    serve --plain
    $python -c "import sys; sys.path.insert(0, 'tests/peers'); import ca; print(ca.pem(ca.Authority('x').certificate))" >"$dir/ca.pem"
    fleet 3 "TLS to a port without it"
    stop
}
hostile() {
    serve --garbage
    fleet 1 "replies that are no protobuf" --set checks='count==0' --set reconnects='count<100000' --set missed='count<100000'
    check "are told as such" grep -qi "protobuf\|malformed\|message" "$OUT/result.json"
    stop
    serve --huge
    fleet 1 "replies over 4 MiB" --set checks='count==0' --set reconnects='count<100000' --set missed='count<100000' --set agents=4
    stop
}
refused() {
    serve --fail Heartbeat=14:3
    fleet 0 "every third stream refused: they come back" --set duration=11s --set checks='count==0' \
        --set reconnects='count<100000' --set failed='rate<80%' --set missed='count<100000'
    stop
    saw "all are up in the end" 'len(beats) == 20'
}
# What holds our server to the contract is held to it as well.
contract() {
    serve "$@"
    check "the peer's client finds the contract kept by the peer's server $*" \
        $python $peers/ingest_client.py check "$address" --ca "$dir/ca.pem" "$@"
    stop
}
job contract
job contract --mtls --no-terminal
for what in wrong_token pending no_service no_tls; do
    job $what
done
wait
for what in restarts ends frozen slow hostile refused; do
    job $what
done
wait
cat "$TMP"/job*.out
failures=$((failures + $(cat "$TMP"/job*.out | grep -c '^not ok' || true)))
