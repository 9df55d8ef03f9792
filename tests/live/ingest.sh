# ingest.sh - an ingest server for the tests that have one; after lib.sh.
#
#     start NAME OPTION...    the server, in the background: $TARGET, $PORT, and $DIR with ca.pem and log
#     page PATH OPTION...     what curl gets there
#     counts METRIC VALUE     a counter is what it should be
#     deletes NAME STATUS PATTERN OPTION...    an answer of bulk-delete
#     stop                    its end, which has to be a good one
#     postgres_up, postgres_down    a cluster of its own: $POSTGRES_URL, and $bin with its programs
#     rows QUERY VALUE        what is in the database $DB
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

postgres_up() {
    bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
    as=
    [ "$(id -u)" -ne 0 ] || as="setpriv --reuid=postgres --regid=postgres --clear-groups"
    chmod 711 "$TMP"
    mkdir -m 700 "$TMP/pg"
    [ -z "$as" ] || chown postgres "$TMP/pg"
    (cd "$TMP/pg" && $as "$bin/initdb" --no-sync -D data -U load --auth=trust >log 2>&1 &&
        exec $as env "LIVE_TEST=$TMP" "$bin/postgres" -D data -k "$TMP/pg" --listen_addresses= -c fsync=off \
            -c shared_buffers=16MB >>log 2>&1) &
    POSTGRES=$!
    POSTGRES_URL="postgres://load@localhost/postgres?host=$TMP/pg"
    check "Postgres is up" until_true "$bin/pg_isready" -q -h "$TMP/pg"
}

postgres_down() {
    kill -INT $POSTGRES
    wait $POSTGRES
}

# sql STATEMENT: on the database of the moment; what it gives, columns by |.
sql() {
    case $DB in
    sqlite:*) $python -c 'import sqlite3, sys
c = sqlite3.connect(sys.argv[1], timeout=10, isolation_level=None)
print(*("|".join(map(str, r)) for r in c.execute(sys.argv[2]).fetchall()), sep="\n")' "${DB#sqlite:}" "$1" ;;
    *) "$bin/psql" -qXAt -v ON_ERROR_STOP=1 -c "$1" "$DB" ;;
    esac
}

rows() { # QUERY VALUE
    [ "$(sql "$1")" = "$2" ]
}
