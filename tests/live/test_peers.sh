. ./lib.sh

# The independent peers of the agent fleet, and our messages against theirs.
peers=tests/peers
python=/usr/bin/python3

messages() {
    $python $peers/messages.py "$(dirname "$SHAKEDOWN")/messages" >"$TMP/messages" 2>&1
    code=$?
    cat "$TMP/messages"
    grep -q '^not ok' "$TMP/messages" || [ "$code" -eq 0 ] || not_ok "messages.py ended with $code"
    failures=$((failures + $(grep -c '^not ok' "$TMP/messages")))
}
messages

# What holds our server to the contract is held to it first.
for flags in "" "--mtls --no-terminal"; do
    dir=$TMP/server$(echo "$flags" | tr -d ' ')
    mkdir "$dir"
    # shellcheck disable=SC2086
    env "LIVE_TEST=$TMP" $python $peers/ingest_server.py --dir "$dir" $flags >"$dir/log" 2>&1 &
    server=$!
    check "the peer's server is up $flags" until_true test -e "$dir/port"
    # shellcheck disable=SC2086
    check "the peer's client finds the contract kept by the peer's server $flags" \
        $python $peers/ingest_client.py check "localhost:$(cat "$dir/port")" --ca "$dir/ca.pem" $flags
    kill -TERM $server
    wait $server
done
