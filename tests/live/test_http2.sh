. ./lib.sh

# http2 CODE PRESET NAME [OPTION...]
http2() {
    code=$1 preset=$2 name=$3
    shift 3
    run "$code" "$name" tests/live/suites/http2.yaml --preset "$preset" "$@"
}

for server in target nginx nghttpd; do
    http2 0 $server "HTTP/2 over TLS with $server" --only one --only many --only arrivals
    http2 0 $server "$server is found by ALPN" --set protocol=auto --only one --only many --only arrivals
    http2 0 $server-clear "HTTP/2 without TLS with $server" --only one --only many --only arrivals
done
http2 0 target "four large bodies at once on one connection" --only large
http2 0 target "a new connection for each request" --set kept=new
http2 1 target "errors are found over HTTP/2" --set 'query=?errors=20%25+503'
http2 1 target "so are resets of streams" --set 'query=?reset=20%25'
check "a reset stream says so" grep -q 'stream reset by the peer: INTERNAL_ERROR' "$OUT/summary.txt"

# The embedded target, as others see it.
start_target() {
    env "LIVE_TEST=$TMP" "$SHAKEDOWN" target --quiet --port-file "$TMP/port" "$@" >"$TMP/target.log" 2>&1 &
    TARGET=$!
    until_true test -s "$TMP/port"
    PORT=$(cat "$TMP/port")
}
stop_target() {
    kill -TERM "$TARGET"
    wait "$TARGET"
    check "$1: the target ends in peace" test $? -eq 0
    rm -f "$TMP/port"
}

ask() {
    curl -sk --max-time 20 -w ' %{http_version} %{http_code}\n' "$@"
}
answers() {
    want=$1
    shift
    ask "$@" | grep -q "$want"
}

start_target
url=https://127.0.0.1:$PORT
check "curl: HTTP/2 by ALPN" answers '^ 2 200$' "$url/bytes/100000" -o "$TMP/body"
check "curl: the whole body" test "$(wc -c <"$TMP/body")" -eq 100000
check "curl: HTTP/1.1 as well" answers ' 1.1 200$' --http1.1 "$url/"
check "curl: a body is echoed" answers '"body":"hello"' -d hello "$url/echo"
check "curl: a body that is too large" answers ' 2 413$' --data-binary @"$SHAKEDOWN" "$url/echo"
check "curl: an early hint comes first" answers '^HTTP/2 103' -i "$url/?early=103"
check "h2load: nothing fails" sh -c "h2load -n 20000 -c 10 -m 50 $url/ | grep -q '20000 succeeded, 0 failed'"
check "h2load: stamps and delays" sh -c "h2load -n 500 -c 5 -m 50 '$url/?latency=exp(5ms)&stamps=1&size=30000' | grep -q '500 succeeded, 0 failed'"
check "the ledger has them all" answers '"bad_requests": 1,' "$url/stats"
stop_target tls

start_target --plain
check "curl: prior knowledge" answers ' 2 200$' --http2-prior-knowledge "http://127.0.0.1:$PORT/"
check "curl: HTTP/1.1 on the same port" answers ' 1.1 200$' "http://127.0.0.1:$PORT/"
stop_target plain
