# seconds: 30
. ./lib.sh

# A server that misbehaves on purpose and checks with another library all that is signed: what it finds
# wrong stands in its log.  Each fault is a phase, so one run shows all of them.
LOG=$TMP/complaints
: >"$LOG"
run 1 "a server's faults are found" tests/live/suites/acme-faults.yaml --set "log=$LOG"
check "what was signed is right" test ! -s "$LOG"

# Lines "PHASE VERDICT METRIC VALUE" and "PHASE VERDICT reason TEXT" of the run.
/usr/bin/python3 - "$OUT/result.json" >"$TMP/found" <<'END'
import json
import sys

for phase in json.load(open(sys.argv[1]))["phases"]:
    for step in phase["steps"]:
        states = [f["state"] for f in phase["findings"]]
        name = f"{phase['name']} {next((s for s in states if s != 'pass'), 'pass')}"
        for metric, m in step["metrics"].items():
            print(name, metric, *(round(m["values"][k]) for k in ("count", "passes") if k in m["values"]))
        for error in step["errors"]:
            print(name, "reason", error["why"])
END

found() {
    check "$1" grep -qE "^$2\$" "$TMP/found"
}

fault() { # FAULT REASON
    found "$1 is found, and the reason says so" "$1 breach reason $2.*"
}

for algorithm in ES256 EdDSA RS256; do
    found "$algorithm: 8 certificates" "$algorithm pass certificates 8"
    found "$algorithm: another library has verified all that was signed" "counts pass $algorithm [1-9][0-9][0-9]"
done
total() {
    awk -v "from=$1" '$1 == "counts" && $3 ~ from { n += $4 } END { print n }' "$TMP/found"
}
check "nothing else was signed" test "$(total '^(ES256|EdDSA|RS256)$')" = "$(total '^signed$')"
found "RSA certificates, an account for each virtual user" "rsa pass certificates 8"
found "one account for all" "shared pass certificates 8"
found "rejected nonces are counted, and no failure" "some-bad-nonces pass bad_nonces [0-9]{2,}"
found "a rate limit can end the operation, and is counted" "order-429-end pass rate_limit_shape_ok 8"
found "a mix has parts of their own" "mix pass op_duration.part:nonce. [1-9][0-9]+"
found "a refused connection" "refused inconclusive reason part directory: .*onnection refused.*"

fault html 'part directory: status 200, but content-type text/html: <!doctype html>.* is not application/json'
fault wrong-type 'part directory: status 200, but content-type text/plain.* is not application/json'
fault broken-json 'part directory: status 200, but no JSON object: content-type application/json: ."newNonce'
fault large 'part directory: status 200 with a body of more than 65536 bytes'
fault no-new-nonce 'part directory: the directory has no newNonce'
fault elsewhere 'part directory: newOrder is not below http://127.0.0.1:[0-9]*/, and nothing else is contacted: https://evil'
fault no-nonce 'part nonce: status 200 without a replay-nonce'
fault odd-nonce 'part nonce: the replay-nonce is not base64url'
fault bad-nonces 'part new-account: the server accepts none of 11 nonces of its own: this nonce is not to my liking'
fault order-403 'part new-order: rejectedIdentifier .status 403.: this name is on a list of names'
fault token "part authorizations: the challenge's token is not base64url"
fault authz-invalid 'part challenges: the authorization of 0.example.test is invalid: the answer was a page about cats'
fault authz-pending 'part challenges: the authorization is still pending after [0-9]* looks? in 150ms'
fault order-invalid 'part finalize: the order is invalid: CAA forbids it'
fault order-processing 'part finalize: the order is still processing after [0-9]* looks? in 150ms'
fault order-later 'part finalize: the order is still processing after 2 looks in 10s .the server asks to wait 2m more.'
fault no-pem 'part download: not a chain of certificates in PEM'
fault other-name 'part download: the certificate is not for 0.example.test'
fault more-names 'part download: the certificate has a name that was not asked for'
fault other-key 'part download: the certificate is not for the key of the request'
fault unlinked 'part download: certificate 1 of the chain is not signed by the next'
fault expired 'part download: the certificate has expired'
fault no-window 'part renewal-info: no suggestedWindow with start and end'
fault order-429 'part new-order: rate limited .status 429; retry after 1h.: too many orders'
fault acme-429 'part directory: rate limited .status 429; retry after 7s.: too many directories'
fault plain-429 "part directory: status 429 without ACME's rateLimited: content-type text/plain.*a limiter in front"
found "a plain 429: counted as malformed" "plain-429 breach rate_limit_malformed 1"
fault urn-429 "part directory: status 429 without ACME's rateLimited: urn urn:ietf:params:acme:error:malformed"

run 0 "every part against pebble, strict, with its rejected nonces and real http-01" \
    tests/live/suites/acme-pebble.yaml --only whole --only bound --only rsa
check "the secret of the binding stands in no file" \
    sh -c "! grep -rF -f tests/live/suites/acme-eab.txt '$OUT' '$TMP/stdout' '$TMP/stderr'"
run 1 "what pebble refuses is a breach" \
    tests/live/suites/acme-pebble.yaml --only not-bound --only nobody-answers
check "an account without its binding: the URN is in the reason" \
    grep -q 'part new-account: externalAccountRequired (status 403)' "$OUT/result.json"
check "a challenge that nobody answers: the reason is the server's" \
    grep -qE 'part challenges: the authorization of (www\.)?0.example.test is invalid: Get ' "$OUT/result.json"

run 0 "every part against the embedded target" tests/live/suites/acme-target.yaml
run 0 "a certificate is revoked by its own key" tests/live/suites/acme-target.yaml --set revoke_by=certificate
run 1 "an issue that never comes is found" tests/live/suites/acme-target.yaml \
    --set options=--acme-issue-after=1h --set within=500ms
check "never issued: the reason names the part" grep -q 'part finalize: the order is still processing' "$OUT/result.json"

run 0 "the embedded target looks at the answers to its challenges" tests/live/suites/acme-http01.yaml
run 1 "answers that nobody gives" tests/live/suites/acme-http01.yaml --preset nobody
check "no answer: the reason is the server's" grep -qE \
    'part challenges: the challenge is invalid: http://[a-z0-9.]*/.well-known/acme-challenge/[^ ]*: .*[Cc]onnection refused' \
    "$OUT/result.json"
run 1 "answers of another" tests/live/suites/acme-http01.yaml --preset cats
check "another answer: the reason is the server's" \
    grep -qE 'part challenges: the challenge is invalid: http://.*: the answer is not the key authorization' "$OUT/result.json"
shake 2 "a look at answers that are believed" target --acme --acme-http01 127.0.0.1:80

# The shipped suite against the embedded target, with the faults that it is there to find.
unset CERTCTL_ACME_DIRECTORY K6_ACME_VUS K6_ACME_DURATION
acme() {
    acme_code=$1 acme_name=$2
    shift 2
    run "$acme_code" "$acme_name" suites/certctl-acme.yaml --preset smoke "$@"
}
breached() {
    check "$1" grep -qE "BREACH +([a-z_]+: )?$2" "$OUT/summary.txt"
}
count_of() { # METRIC: its count over all phases
    /usr/bin/python3 -c '
import json, sys
phases = json.load(open(sys.argv[1] + "/result.json"))["phases"]
none = {"values": {"count": 0}}
print(round(sum(s["metrics"].get(sys.argv[2], none)["values"]["count"] for p in phases for s in p["steps"])))' "$OUT" "$1"
}

acme 0 "directory, nonces, renewal information and orders pass"
acme 1 "a slow server is found" --set latency=600ms --set duration=1s --only acme_flow
breached "slowness: the directory's limit is breached" 'part_duration.part:directory. p\(95\)<500ms'
breached "slowness: so is the nonce's" 'part_duration.part:nonce. p\(95\)<300ms'
acme 1 "errors are found" --set errors='5% 503' --set burst_for=1s --only acme_burst
breached "errors: the floor of 5xx is breached" 'server_errors rate<0.1%'
acme 0 "ACME's own rate limit ends rounds of a burst" --set limit=300/s --set burst_for=1s --only acme_burst
check "the limit: counted" test "$(count_of rate_limited)" -gt 20
check "the limit: all of the right shape" test "$(count_of rate_limited)" = "$(count_of rate_limit_shape_ok)"
acme 1 "a limiter that knows no ACME is found" --set front_limit=300/s --set burst_for=1s --only acme_burst
breached "the limiter: its answers are malformed rate limits" 'rate_limit_malformed count==0'
acme 0 "a limit of orders is counted apart" --set orders_limit=3 --set orders_for=1s --only acme_orders
check "orders: three for each account" test "$(count_of certificates)" = 12
check "orders: the rest are rate limits" test "$(count_of rate_limited)" -gt 12
acme 1 "orders that end invalid are found" --set invalid=20% --set orders_for=1s --only acme_orders
check "invalid: the reason is the problem's" grep -q 'part finalize: the order is invalid: this order was to end invalid' "$OUT/result.json"
acme 1 "a profile that is not there is found" --set profiles=prof-other --only acme_flow
check "the profile: a page of HTML is no directory" grep -q 'part directory: status 200, but content-type text/html' "$OUT/result.json"

# A client that somebody else's library signs for.
env "LIVE_TEST=$TMP" "$SHAKEDOWN" target --acme --acme-trust=false --acme-orders 0 --acme-concurrent 0 \
    --acme-key-changes 0 --port-file "$TMP/port" >"$TMP/target" 2>&1 </dev/null &
TARGET=$!
check "a server of our own starts" until_true test -s "$TMP/port"
check "an independent client agrees with the target" /usr/bin/python3 tests/live/acme_client.py \
    "https://127.0.0.1:$(cat "$TMP/port")/acme/profile/prof-test-tls/directory"
kill -TERM $TARGET
wait $TARGET
check "the server ends with 0" test $? -eq 0
