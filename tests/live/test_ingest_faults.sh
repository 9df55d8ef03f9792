. ./lib.sh
. tests/live/ingest.sh

# The ingest server's bad days: clients that abuse it, faults of its own, tokens that somebody else hands out,
# and a start after an end; the latter two on both databases.
faults() {
    $python $peers/ingest_faults.py "$@"
}

"$SHAKEDOWN" target --ingest --quiet --plain --ingest-generation tls --ingest-token-file "$TMP/token" \
    --port-file "$TMP/port" >"$TMP/log" 2>&1 </dev/null &
TARGET=$!
check "a target without TLS is up" until_true test -s "$TMP/port"
PORT=$(cat "$TMP/port")
check "what is no gRPC gets 415" [ "$(curl -s --http2-prior-knowledge -o /dev/null -w "%{http_code}" -X POST \
    "http://localhost:$PORT/agent.v1.IngestService/Register")" = 415 ]
check "texts that no database should have to keep are refused" faults texts "localhost:$PORT"
check "what no library would send is borne" $python $peers/ingest_abuse.py "$PORT" $TARGET
wait $TARGET
check "and the server ends well, when its last stream has" [ $? -eq 0 ]

cat >"$TMP/drops.yaml" <<'YAML'
tick: 50ms
undeletable: 2
pushes:
- {after_beat: 2, certificate: true}
- {at: 300ms, every: 2, query: list_services}
- {after_beat: 3, drop: stream}
- {after_beat: 4, drop: connection}
- {after_beat: 5, status: revoked}
YAML
start drops --ingest-pushes "$TMP/drops.yaml" --ingest-admin-key-file "$TMP/key" --ingest-recheck 50ms
check "agents lose their streams, their connections and their rights as the script says" \
    faults drops "localhost:$PORT" --ca "$DIR/ca.pem"
stop

echo 'pushes: [{after_beat: 2, status: deleted}]' >"$TMP/deleted.yaml"
start deleted --ingest-pushes "$TMP/deleted.yaml" --ingest-recheck 50ms
check "who is deleted learns it on the stream" [ "$(faults deleted "localhost:$PORT" --ca "$DIR/ca.pem")" = NOT_FOUND ]
stop

key='X-Loadtest-Admin-Key: admin-key'
start partial --ingest-pushes "$TMP/drops.yaml" --ingest-admin-key-file "$TMP/key"
faults register "localhost:$PORT" --ca "$DIR/ca.pem" peer-token=loadtest-a_b peer-token=loadtest-axb peer-token=loadtest-c%d >"$TMP/active"
deletes "a prefix of which one host cannot go" 200 \
    '^\{"deleted":0,"failed":\["loadtest-axb: deadlock detected"\]\}$' -H "$key" -d '{"hostnamePrefix":"loadtest-ax"}'
deletes "a prefix with an underscore" 200 '^\{"deleted":1,"failed":\[\]\}$' -H "$key" -d '{"hostnamePrefix":"loadtest-a_"}'
deletes "the rest" 200 '^\{"deleted":1,"failed":\["loadtest-axb: deadlock detected"\]\}$' -H "$key" \
    -d '{"hostnamePrefix":"loadtest-"}'
check "who could not go is still there" counts agents 1
stop

start like --ingest-like-bug --ingest-admin-key-file "$TMP/key" --no-ingest-auto-approve
faults register "localhost:$PORT" --ca "$DIR/ca.pem" peer-token=loadtest-a_b peer-token=loadtest-axb >"$TMP/pending"
check "agents wait for an approval" grep -qx 'OK pending' "$TMP/pending"
deletes "LIKE's wildcards, and agents whose certificates wait" 200 \
    '^\{"deleted":0,"failed":\["loadtest-a_b: .*pending_cert_signings.*","loadtest-axb: .*"\]\}$' -H "$key" \
    -d '{"hostnamePrefix":"loadtest-a_"}'
stop

# enrols WHAT ANSWERS TOKEN=HOST...: the status of each, and the agent's own.
enrols() {
    what=$1 answers=$2
    shift 2
    check "$base: $what" [ "$(faults register "localhost:$PORT" --ca "$DIR/ca.pem" --kept "$TMP/kept" "$@" |
        tr '\n' ' ')" = "$answers " ]
}

beats() {
    check "$base: $1" [ "$(faults beat "localhost:$PORT" --ca "$DIR/ca.pem" --kept "$TMP/kept")" = "$2" ]
}

own() { # NAME OPTION...
    name=$1
    shift
    start "$name" --ingest-state sql --db "$DB" "$@"
}

fails() {
    ! "$@"
}

hash() {
    printf %s "$1" | sha256sum | cut -d ' ' -f 1
}

on_database() {
    base=$1 DB=$2 refused='UNAUTHENTICATED -'
    own "$base-tokens"
    check "$base: tokens come by SQL" sql "insert into agent_enrolment_tokens (token, token_hash, max_uses, expires_ms,
        deleted_ms, auto_approve) values ('plain', null, 2, null, null, 1), ('x', '$(hash hashed)', null, null, null, 1),
        ('old', null, null, 1000, null, 1), ('gone', null, null, null, 1000, 1), ('slow', null, null, null, null, 0)"
    enrols "the command line's token is one of them, one in plain text is good twice, and one by its hash" \
        "OK active OK active OK active $refused OK active" \
        peer-token=loadtest-f0 plain=loadtest-f1 plain=loadtest-f2 plain=loadtest-f3 hashed=loadtest-f4
    enrols "not the text beside a hash, nor one that has expired, was deleted, or is not there" \
        "$refused $refused $refused $refused" x=loadtest-f5 old=loadtest-f6 gone=loadtest-f7 other=loadtest-f8
    check "$base: uses are counted" rows "select usage_count from agent_enrolment_tokens where token = 'plain'" 2
    sql "update agent_enrolment_tokens set deleted_ms = 1 where token_hash = '$(hash hashed)'"
    enrols "a token counts as it is at that moment, and says whose agents wait" "$refused OK pending OK active" \
        hashed=loadtest-f9 slow=loadtest-f10 peer-token=loadtest-stays
    beats "the last of them beats" OK
    check "$base: and is in the database" until_true rows "select a.hostname, a.status, count(m.host_id) from agents a
        join host_metrics m on m.host_id = a.id group by a.hostname, a.status" 'loadtest-stays|offline|1'
    stop
    own "$base-again" --ingest-pushes "$TMP/rotate.yaml"
    beats "after a restart it beats again, with the token and the certificate it has, and gets a new one for its key" \
        'OK certificate'
    check "$base: and is no other agent" rows "select count(*) from agents where hostname = 'loadtest-stays'" 1
    check "$base: no statement has failed" counts statements_failed_total 0
    stop
    together
    forgotten
}

# Two servers that look at the database only when they have to.
together() {
    own "$base-one" --ingest-recheck 1h --ingest-admin-key-file "$TMP/key"
    first=$TARGET first_port=$PORT first_dir=$DIR
    own "$base-two" --ingest-recheck 1h
    enrols "of two servers, the second enrols" "OK active OK active" peer-token=loadtest-both-1 peer-token=loadtest-both-2
    second=$TARGET second_port=$PORT second_dir=$DIR PORT=$first_port DIR=$first_dir
    enrols "its host name is taken at the first, too" "ALREADY_EXISTS -" peer-token=loadtest-both-1
    beats "its agent beats at the first" OK
    deletes "of hosts of both" 200 '^\{"deleted":2,"failed":\[\]\}$' -H "$key" -d '{"hostnamePrefix":"loadtest-both-"}'
    check "$base: and they are deleted there" rows "select count(*) from hosts where hostname like 'loadtest-both-%'" 0
    beats "who is deleted cannot come back" UNAUTHENTICATED
    check "$base: no statement of the first has failed" counts statements_failed_total 0
    TARGET=$first
    stop
    TARGET=$second PORT=$second_port DIR=$second_dir
    check "$base: no statement of the second has failed" counts statements_failed_total 0
    stop
}

# The shipped SQL for when there is no admin endpoint forgets one run's hosts and leaves the others'.
forgotten() {
    [ "$base" = postgres ] || return 0
    tables='tags agent_keys agent_status_history pending_cert_signings'
    own "$base-forgotten" --ingest-pushes "$TMP/rotate.yaml"
    enrols "agents to be forgotten" "OK active OK pending OK active OK active OK active" \
        peer-token=loadtest-run_1-0001 slow=loadtest-run_1-0002 peer-token=loadtest-runs1-0001 \
        peer-token=loadtest-run_1-preflight peer-token=loadtest-run_1-b-0001
    beats "one of them beats" 'OK certificate'
    stop
    total=$(sql "select count(*) from agents")
    for bad in '' loadtest- prod-1- loadtest-run_1; do
        check "a prefix '$bad' is refused" fails "$bin/psql" -qX -v "prefix=$bad" \
            -f fixtures/ct-ops/forget-hosts.sql "$DB"
    done
    check "$base: and nothing is gone" rows "select count(*) from agents" "$total"
    check "forget-hosts.sql runs" "$bin/psql" -qX -v prefix=loadtest-run_1- \
        -f fixtures/ct-ops/forget-hosts.sql "$DB"
    check "its hosts have gone" rows "select count(*) from hosts where hostname like 'loadtest-run\\_1-%'" 1
    check "but not those of a run whose id goes on" rows "select count(*) from hosts where hostname = 'loadtest-run_1-b-0001'" 1
    check "with their agents" rows "select count(*) from agents" $((total - 3))
    for table in $tables; do
        check "and with what $table had of them" rows \
            "select count(*) from $table where agent_id not in (select id from agents)" 0
    done
    check "and with their metrics" rows "select count(*) from host_metrics where host_id not in (select id from hosts)" 0
    check "the other run's is there" rows "select count(*) from hosts where hostname = 'loadtest-runs1-0001'" 1
}

echo 'pushes: [{after_beat: 1, certificate: true}]' >"$TMP/rotate.yaml"
on_database sqlite "sqlite:$TMP/state.db"

postgres_up
on_database postgres "$POSTGRES_URL"
postgres_down
