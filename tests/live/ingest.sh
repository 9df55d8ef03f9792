# ingest.sh - an ingest server for the tests that have one; after lib.sh.
#
#     start NAME OPTION...    the server, in the background: $TARGET, $PORT, and $DIR with ca.pem and log
#     page PATH OPTION...     what curl gets there
#     counts METRIC VALUE     a counter is what it should be
#     deletes NAME STATUS PATTERN OPTION...    an answer of bulk-delete
#     stop                    its end, which has to be a good one
peers=tests/peers
python=/usr/bin/python3
printf 'peer-token\n' >"$TMP/token"
printf 'admin-key\n' >"$TMP/key"

# start DIR OPTION...: a target of our own in the background; its pid is $TARGET, its port $PORT.
start() {
    DIR=$TMP/$1
    shift
    mkdir "$DIR"
    env "LIVE_TEST=$TMP" "$SHAKEDOWN" target --ingest --quiet --ingest-token-file "$TMP/token" \
        --ca-out "$DIR/ca.pem" --port-file "$DIR/port" "$@" >"$DIR/log" 2>&1 </dev/null &
    TARGET=$!
    check "the target is up: $*" until_true test -s "$DIR/port"
    PORT=$(cat "$DIR/port")
}

stop() {
    kill -TERM $TARGET
    wait $TARGET
    check "the target ends well" [ $? -eq 0 ]
}

page() { # PATH OPTION...
    path=$1
    shift
    curl -s --cacert "$DIR/ca.pem" "$@" "https://localhost:$PORT$path"
}

counts() { # METRIC VALUE
    page /ingest/metrics | grep -qxF "ingest_$1 $2"
}

deletes() { # NAME STATUS BODY-PATTERN OPTION...
    name=$1 status=$2 pattern=$3
    shift 3
    page /api/admin/hosts/bulk-delete -o "$TMP/body" -w '%{http_code} %{redirect_url}' "$@" >"$TMP/status"
    check "bulk-delete: $name is $status" grep -q "^$status" "$TMP/status"
    check "bulk-delete: $name says why" grep -qE "$pattern" "$TMP/body"
}
