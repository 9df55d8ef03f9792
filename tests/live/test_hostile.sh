. ./lib.sh

# Some 140 servers that break the rules of HTTP/1.1, TLS and HTTP/2: every operation against them ends as it
# should, and this program stays small.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
    -keyout "$TMP/key" -out "$TMP/cert" 2>/dev/null
mkfifo "$TMP/hold"
/usr/bin/python3 tests/live/hostile.py "$TMP/cert" "$TMP/key" "$TMP" <"$TMP/hold" 2>"$TMP/servers.log" &
SERVERS=$!
exec 5>"$TMP/hold"
check "the hostile servers listen" until_true test -e "$TMP/ready"
run 0 "every operation ends, in its class" "$TMP/hostile.yaml"
most=60
ldd "$SHAKEDOWN" | grep -q -e libasan -e libtsan && most=2000 # a sanitizer remembers what was freed
check "and with its reason, in little memory" /usr/bin/python3 tests/live/hostile.py --judge "$OUT/result.json" \
    "$TMP/expected.json" $most
exec 5>&-
wait "$SERVERS"
