# seconds: 60
. ./lib.sh

# The shipped suites against the embedded target, each with the faults that it is there to find; their
# own numbers are the contract's and are held by validate.
certctl() {
    code=$1 name=$2 suite=$3
    shift 3
    run "$code" "$name" "suites/certctl-$suite.yaml" --preset smoke "$@"
}

breached() {
    check "$1" grep -qE "BREACH +([a-z_]+: )?$2" "$OUT/summary.txt"
}

said() { # a reason, which the summary breaks into lines
    check "$1" grep -qE "$2" "$OUT/result.json"
}

unset CERTCTL_BASE CERTCTL_TOKEN CERTCTL_EDGE K6_AGENT_FLEET K6_AGENT_RATE

certctl 0 "issuance and listing pass" api
certctl 1 "a slow server is found" api --set latency=2500ms --set rate=60 --set duration=1s
breached "slowness: both latencies of issuance are breached" 'op_duration p\(95\)<2s'
certctl 1 "errors are found" api --set errors='20% 503' --set duration=2s
check "errors: answers are counted by status" \
    grep -qE 'issuance_acceptance: answers by status: 201 x 1[0-9]{2}, 503 x [1-9][0-9]?$' "$OUT/summary.txt"
certctl 1 "a rate limiter is found" api --set limit=20/s --set duration=2s
breached "the limiter: its answers are counted apart" 'rate_limited count==0'


# The generator's own: one request at a time is too few for the rate, and what was not sent is told.
sed -e 's/rate: "${rate}[/]s", duration: "${duration}"/&, max_in_flight: 1, graceful_stop: 0/' \
    -e "s|\.\./fixtures|$PWD/fixtures|" suites/certctl-api.yaml >"$TMP/dropping.yaml"
run 1 "requests that were due and never sent are found" "$TMP/dropping.yaml" --preset smoke \
    --set latency=500ms --set duration=2s
for step in issuance_acceptance list_certificates; do
    breached "dropped: $step has a limit on it" "$step: dropped_iterations count==0"
done
open_loads() { # those of a suite that have no limit on dropped iterations
    "$SHAKEDOWN" run "$1" --preset full --dry-run | awk -v s="$1" '
        / (constant|ramping)-arrival-rate,/ { if (open) print s ": " open; open = $1 }
        /dropped_iterations count==0/ { open = "" }
        END { if (open) print s ": " open }'
}
for suite in suites/certctl-*.yaml; do
    open_loads "$suite"
done >"$TMP/open"
check "no open load of certctl's is without a limit on what was not sent" test ! -s "$TMP/open"

certctl 0 "a certificate is ordered, deployed and served" deploy
sed -e 's/fingerprint: "%{leaf}"/fingerprint: "SHA256:%{leaf}"/' -e "s|\.\./fixtures|$PWD/fixtures|" \
    suites/certctl-deploy.yaml >"$TMP/deploy.yaml"
run 0 "a fingerprint that names its hash is one" "$TMP/deploy.yaml" --preset smoke --set duration=500ms
certctl 1 "a deployment that never comes is found" deploy --set deploy_after=1h --set within=400ms \
    --set duration=1s
said "never deployed: the reason names part and answer" 'part deployed: json /status is ..pending.., expected deployed'
certctl 1 "a certificate that is not the one deployed is found" deploy --set lies=true --set duration=1s
said "the wrong certificate: the reason names the part" 'part served: the certificate served has fingerprint'

certctl 0 "a bulk renewal enqueues all and drains" bulk
certctl 1 "a bulk renewal that looks at 50 certificates is found" bulk --set cap=50 --set duration=1s
breached "capped: what was enqueued is what failed" 'enqueued count>=10000'
certctl 1 "jobs that do not drain are found" bulk --set renew_after=1h --set drained=500ms --set duration=500ms
said "no drain: the reason names part and answer" 'part jobs: json /total is 10000, expected 0'

certctl 0 "a fleet beats in both forms" agents
certctl 1 "unknown agents are found" agents --skip seed --set duration=1s
breached "unknown: counted as such" 'unknown count==0'
said "unknown: who has not been seen is told" 'gave 0, expected 100'
certctl 1 "retired agents are found" agents --set retired=20 --set duration=1s
breached "retired: counted as such" 'gone count==0'

# The same on Postgres, as whoever runs this, or as the user of that name if root does.
chmod 711 "$TMP" "$TMPDIR"
unset PG_BIN
certctl 0 "Postgres: issuance and listing" api --set on_postgres=yes --set duration=1s
certctl 0 "Postgres: ordered, deployed, served" deploy --set on_postgres=yes --set duration=1s
certctl 0 "Postgres: a bulk renewal enqueues all and drains" bulk --set on_postgres=yes
certctl 0 "Postgres: a fleet beats" agents --set on_postgres=yes --set duration=1s
certctl 1 "Postgres: a bulk renewal that looks at 50 certificates" bulk --set on_postgres=yes \
    --set cap=50 --set duration=500ms --set drained=100ms

# A server that the suite did not start, with a token of its own.
printf 'another-secret-token' >"$TMP/token"
DB=sqlite:$TMP/certctl.db
env "LIVE_TEST=$TMP" "$SHAKEDOWN" target --certctl --db "$DB" --deploy-after 1h --token-file "$TMP/token" \
    --port-file "$TMP/port" >"$TMP/target" 2>&1 </dev/null &
TARGET=$!
check "a server of our own starts" until_true test -s "$TMP/port"
BASE="https://127.0.0.1:$(cat "$TMP/port")/"

# There is a process of ours now, so run()'s look for leftovers is not made here.
real() {
    code=$1 name=$2 suite=$3
    shift 3
    new_out
    program run "suites/certctl-$suite.yaml" --preset smoke --set duration=1s "$@" --out "$OUT" >"$TMP/stdout" \
        2>"$TMP/stderr" </dev/null
    expect_code "$code" $? "$name"
    expect_agreement "$code" "$name"
}

CERTCTL_BASE=$BASE CERTCTL_TOKEN=another-secret-token
export CERTCTL_BASE CERTCTL_TOKEN
real 0 "a real server passes with its token" api
check "a real server: none of the suite's own is started" test ! -e "$OUT/services/certctl.log"
check "the token stands in no file" sh -c "! grep -r another-secret-token '$OUT' '$TMP/stdout'"

# What an earlier run left behind is reset by the seed; without it, there is nothing left to renew.
CERTCTL_DB=$DB
export CERTCTL_DB
real 0 "a seed and a renewal" bulk --skip drain
real 0 "the same again: the seed has reset it" bulk --skip drain
real 1 "without the seed nothing is enqueued" bulk --skip seed --skip drain
breached "not seeded: nothing was enqueued" 'enqueued count>=10000 +0 '

CERTCTL_TOKEN=wrong-secret-token
real 1 "a wrong token is found" api
said "a wrong token: the reason is the status" 'status 401, expected'
check "the wrong token stands in no file" sh -c "! grep -r wrong-secret-token '$OUT' '$TMP/stdout'"

post() {
    curl -sk -o "$TMP/body" -w '%{http_code}' -H 'Authorization: Bearer another-secret-token' \
        -d '{"name":"twice","common_name":"twice.example.test","issuer_id":"i","owner_id":"o","team_id":"t","renewal_policy_id":"p"}' \
        "${BASE}api/v1/certificates"
}
check "a certificate is created" test "$(post)" = 201
check "a name that is taken is a 500" test "$(post)" = 500
kill -TERM $TARGET
wait $TARGET
check "the server ends with 0" test $? -eq 0

# One that answers 200 to whatever it is asked, as a dashboard does: no such answer is taken for the API's.
rm -f "$TMP/port"
env "LIVE_TEST=$TMP" "$SHAKEDOWN" target --quiet --port-file "$TMP/port" >"$TMP/target" 2>&1 </dev/null &
TARGET=$!
check "a server that knows no API starts" until_true test -s "$TMP/port"
CERTCTL_BASE="https://127.0.0.1:$(cat "$TMP/port")/"
real 1 "200 to everything is no API" api --only sanity
said "no API: what came instead is told" 'text/plain'
real 1 "200 to everything is no issuance, nor a list" api --skip sanity
real 1 "200 to everything is no bulk renewal" bulk --skip seed --skip drain
real 1 "200 to everything is no heartbeat" agents --only rate
real 1 "200 to everything is no deployment" deploy
kill -TERM $TARGET
wait $TARGET
