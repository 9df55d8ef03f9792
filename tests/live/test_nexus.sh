# seconds: 95
. ./lib.sh

# The whole of the nexus suite against a hub that keeps the rules (tests/fixtures/hub.py), and against
# hubs and backends that do not.
CANARY=canary-6b1d0f93e27a
printf '  %s\n' "$CANARY" >"$TMP/secret"
chmod 600 "$TMP/secret"
printf '%s\n' "$CANARY" >"$TMP/canary"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$TMP/hub.key" -out "$TMP/hub.pem" \
    -days 2 -subj /CN=hub -addext subjectAltName=IP:127.0.0.1 2>/dev/null
HUBS=

# hub NAME ARG...: a hub, and the suite's environment for it.  It is none of the suite's processes, so it
# is ended here; the time limit is for a test that is killed.
hub() {
    name=$1
    shift
    rm -f "$TMP/ports"
    timeout 280 /usr/bin/python3 -B tests/fixtures/hub.py --cert "$TMP/hub.pem" --key "$TMP/hub.key" \
        --secret-file "$TMP/secret" --port-file "$TMP/ports" "$@" >"$TMP/$name.log" 2>&1 &
    HUBS="$HUBS $!"
    check "$name: the hub is up" until_true sh -c "[ \$(wc -l <'$TMP/ports') -eq 2 ]"
    visitors=$(sed -n 2p "$TMP/ports")
    NEXUS_URL=wss://127.0.0.1:$(sed -n 1p "$TMP/ports")/connect
    TARGET_URL=https://app.test:$visitors/
    EDGE_ADDRESS=127.0.0.1:$visitors
    export NEXUS_URL TARGET_URL EDGE_ADDRESS
}

end_hubs() {
    for pid in $HUBS; do
        kill "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
    HUBS=
}

NEXUS_CA=$TMP/hub.pem
HMAC_SECRET_FILE=$TMP/secret
TARGET_HOSTNAME=app.test
export NEXUS_CA HMAC_SECRET_FILE TARGET_HOSTNAME
small="--preset laptop --set workers=4 --set concurrent_for=1s --set rate=20 --set sustained_for=2s --set loris_conns=10
    --set loris_for=14s --set control_rate=10 --set flood_backends=4 --set flood_for=3s --set reauth_every=1s --set retry=50ms"

gate() {
    code=$1 what=$2
    shift 2
    # shellcheck disable=SC2086
    run "$code" "$what" suites/nexus.yaml $small "$@"
}

told() {
    check "$1" grep -q -e "$2" "$TMP/stderr" "$OUT/services/backend.log"
}

# The pattern is in a file: grep is a process, too.
secret_on_a_command_line() {
    grep -l -a -f "$TMP/canary" /proc/[0-9]*/cmdline 2>/dev/null
}

secret_in() {
    grep -rlF -e "$CANARY" -e "$(printf %s "$CANARY" | base64)" "$@"
}

# All of it, watched for the secret from outside while it runs.
hub good
# shellcheck disable=SC2086
start_run suites/nexus.yaml $small
seen=
while kill -0 "$RUN" 2>/dev/null; do
    seen="$seen$(secret_on_a_command_line)"
    sleep 0.2
done
wait "$RUN"
expect_code 0 $? "the whole suite passes a hub that keeps the rules"
expect_quiet "the whole suite"
expect_agreement 0 "the whole suite"
check "the backend was registered" grep -q '^registered all 1 backends' "$OUT/services/backend.log"
check "evicted visitors do not cost the backend its registration" test "$(grep -c 'next try' "$OUT/services/backend.log")" -eq 0
check "visitors came through the hub" sh -c "[ \$(sed -n 's/^served \([0-9]*\).*/\1/p' '$OUT/services/backend.log' | tail -n 1) -gt 50 ]"
check "no token but a good one was accepted" sh -c "[ \$(grep -c '^refused' '$TMP/good.log') -eq 8 ]"
check "the secret was on no command line" test -z "$seen"
check "the secret is in no artefact" sh -c '! "$@"' sh grep -rqF -e "$CANARY" "$OUT" "$TMP/stdout" "$TMP/stderr" "$TMP/good.log"
check "nor any other form of it" test -z "$(secret_in "$OUT" "$TMP/stdout" "$TMP/stderr" "$TMP/good.log")"

gate 0 "several backends share the visitors" --only end-to-end --only concurrent-baseline --set backends=3
check "all three are registered" grep -q '^registered all 3 backends' "$OUT/services/backend.log"
gate 1 "a backend that answers with errors" --only concurrent-baseline --set "url=$TARGET_URL?errors=50%25+503"
gate 1 "a backend that is slow" --only sustained-rate --set "url=$TARGET_URL?latency=50ms" --set p99=10ms
HMAC_SECRET_FILE=
HMAC_SECRET=not-$CANARY
export HMAC_SECRET
gate 3 "the wrong secret" --only end-to-end
told "the wrong secret: the hub's reason is told" "signature is invalid"
unset HMAC_SECRET
gate 2 "no secret"
HMAC_SECRET_FILE=$TMP/secret
NEXUS_CA= gate 3 "a hub that is not trusted" --only end-to-end --set ready_for=1s
told "not trusted: the cause is told" "certificate"
NEXUS_URL=wss://127.0.0.1:1/connect gate 3 "a hub that is not there" --only end-to-end --set ready_for=1s
told "not there: the cause is told" "refused"

# Somebody else who answers 200 and "ok" for the name is not the backend.
env "LIVE_TEST=$TMP" "$SHAKEDOWN" target --quiet --port-file "$TMP/impostor" --listen 127.0.0.1:0 >/dev/null 2>&1 &
IMPOSTOR=$!
check "the impostor is up" until_true test -s "$TMP/impostor"
new_out
# shellcheck disable=SC2086
program run suites/nexus.yaml $small --only end-to-end --set routed_for=1s --out "$OUT" \
    --set "edge_address=127.0.0.1:$(cat "$TMP/impostor")" >"$TMP/stdout" 2>"$TMP/stderr" </dev/null
expect_code 3 $? "an answer from somebody else is no proof"
check "somebody else: the certificate told" grep -q "certificate" "$TMP/stderr"
kill "$IMPOSTOR"
wait "$IMPOSTOR"

# One conversation.
LIVE_SECRET=$CANARY
export LIVE_SECRET
conversation() {
    code=$1 what=$2
    shift 2
    run "$code" "$what" tests/live/suites/ws.yaml --set url="$NEXUS_URL" --set ca="$NEXUS_CA" "$@"
}
conversation 0 "challenges are answered"
conversation 0 "a challenge that is ignored ends it" --set reauth=ignore --set code=1008 --set 'reason=timeout$'
conversation 0 "a challenge answered wrongly ends it" --set reauth=other-nonce --set code=1008 --set 'reason=nonce'
conversation 1 "a close that was not expected" --set reauth=ignore
conversation 1 "a close with another code" --set reauth=ignore --set code=1000
conversation 1 "a close for another reason" --set reauth=ignore --set code=1008 --set 'reason=too late'
conversation 1 "a close that does not come" --set code=1008 --set hold=500ms
conversation 3 "nobody there to talk to" --set url=wss://127.0.0.1:1/connect
conversation 1 "an upgrade that is refused" --set url="${NEXUS_URL%/connect}/elsewhere"

# --no-cleanup: the backend stays registered, and says how to end it.
new_out
# shellcheck disable=SC2086
program run suites/nexus.yaml $small --only end-to-end --no-cleanup --out "$OUT" >"$TMP/stdout" 2>"$TMP/stderr" </dev/null
expect_code 0 $? "--no-cleanup"
through() {
    [ "$(curl -sk --max-time 5 --connect-to "::$EDGE_ADDRESS" "$TARGET_URL")" = ok ]
}
check "--no-cleanup: the backend still answers" through
stop=$(sed -n 's/.*\(kill [^`"]*[0-9]\).*/\1/p' "$TMP/stderr" | tail -n 1)
check "--no-cleanup: says how to stop it ($stop)" sh -c "$stop"
nobody() {
    [ -z "$(leftovers)" ]
}
check "--no-cleanup: that stops it" until_true nobody
rm -rf "$TMPDIR" && mkdir "$TMPDIR"
end_hubs

# Hubs that break the rules.
hub credulous --accept-any
gate 1 "a hub that believes every token" --only token-abuse
tr -s '\n ' ' ' <"$OUT/summary.txt" >"$TMP/words"
check "believes: the phase says so" grep -q "a close with 1008 was expected" "$TMP/words"
end_hubs
hub lossy --drop-every 3
gate 1 "a hub that drops visitors" --only concurrent-baseline
end_hubs
hub lost --drop-every 1
gate 3 "a hub that routes nowhere" --only end-to-end --set routed_for=1s
end_hubs
hub fickle --drop-backends
gate 3 "a hub that drops its backends" --only end-to-end --set ready_for=2s
end_hubs
hub full --capacity 3
gate 1 "a hub that refuses one of four backends" --only reauth-flood
end_hubs
hub trusting --no-challenges
gate 1 "a hub that never challenges again" --only reauth-flood
check "never challenges: the phase says so" grep -q 'BREACH .*reauths count>=4 ' "$OUT/summary.txt"
end_hubs
hub crowded --most-visitors 10
gate 1 "a hub whose visitors the attack keeps out" --only slow-loris --set loris_for=4s --set control_least=2s
end_hubs
