# seconds: 40
. ./lib.sh

# What the attacks put on the wire, as a server sees it that only writes down.
run 0 "a server that ends nothing is held" tests/live/suites/witness.yaml --set "seen=$TMP/seen.json"
check "on the wire: what the attacks say they do" /usr/bin/python3 tests/live/witness.py "$TMP/seen.json"

# Real servers: everything is held, over TLS and without, and every ClientHello is accepted.
for server in nginx apache haproxy; do
    run 0 "$server: every attack is held, every ClientHello accepted" tests/live/suites/attacks.yaml --preset $server
done
run 0 "openssl s_server: the same, one after the other" tests/live/suites/attacks-one.yaml

run 1 "a server that hangs up is not held" tests/live/suites/attacks.yaml --preset peek
tr -s '\n ' ' ' <"$OUT/summary.txt" >"$TMP/words"
check "hanging up: by the alert's name" grep -Eq '[0-9,]+ x alert-unrecognized_name([,; ]|$)' "$TMP/words"
