. ./lib.sh
. tests/live/ingest.sh

# The target as an ingest server, held to the contract by Google's gRPC.

start mtls --ingest-admin-key-file "$TMP/key"
check "Google's gRPC finds the contract kept, with client certificates" \
    $python $peers/ingest_client.py check "localhost:$PORT" --ca "$DIR/ca.pem" --mtls --no-terminal
check "beats are counted as they were sent" counts beats_total 151
check "no stream is left open" counts streams 0
check "four agents are known" counts agents 4

json='{"hostnamePrefix":"loadtest-peer"}'
deletes "without a key" 401 '"error":"Unauthorized"' -d "$json"
deletes "with a wrong key" 401 '"error":"Unauthorized"' -H 'X-Loadtest-Admin-Key: x' -d "$json"
deletes "a GET" 405 '"error"' -H 'X-Loadtest-Admin-Key: admin-key'
for bad in 'no json' '{}' '{"hostnamePrefix":""}' '{"hostnamePrefix":"prod-"}' '{"hostnamePrefix":7}'; do
    deletes "a body of $bad" 400 '"error"' -H 'X-Loadtest-Admin-Key: admin-key' -d "$bad"
done
deletes "a prefix of nobody" 200 '^\{"deleted":0,"failed":\[\]\}$' -H 'X-Loadtest-Admin-Key: admin-key' \
    -d '{"hostnamePrefix":"loadtest-peer_"}'
deletes "a prefix of all" 200 '^\{"deleted":4,"failed":\[\]\}$' -H 'X-Loadtest-Admin-Key: admin-key' -d "$json"
check "the hosts have gone" counts agents 0
stop

start tls --ingest-generation tls
check "Google's gRPC finds the contract kept, without client certificates" \
    $python $peers/ingest_client.py check "localhost:$PORT" --ca "$DIR/ca.pem"
deletes "without a key of the server's" 503 'CT_OPS_LOADTEST_ADMIN_KEY not set' -d "$json"
stop

start head --ingest-generation head --ingest-admin-key-file "$TMP/key"
$python $peers/ingest_client.py load "localhost:$PORT" --ca "$DIR/ca.pem" --agents 2 --seconds 0.1 >"$TMP/load" 2>&1
check "bulk-delete: a newer server, where there is a host, redirects to its login page" test \
    "$(page /api/admin/hosts/bulk-delete -w '%{http_code} %{redirect_url}' -H 'X-Loadtest-Admin-Key: admin-key' \
        -d '{"hostnamePrefix":"loadtest-"}')" = "307 https://localhost:$PORT/login"
check "and deletes nothing" counts agents 2
stop

cat >"$TMP/pushes.yaml" <<'END'
tick: 100ms
checks:
- {id: cpu, type: process, interval: 30s}
pushes:
- {after_beat: 2, query: list_ports}
- {after_beat: 3, task: software_inventory}
- {after_beat: 4, task: run_script, config: '{"script":"true"}'}
- {after_beat: 5, cancel: true}
- {after_beat: 7, terminal: true, input: "ls\n"}
- {after_beat: 8, delay: 200ms}
- {after_beat: 10, end: UNAVAILABLE, message: 50% done}
faults:
- {method: RenewCertificate, every: 2, code: ABORTED, message: not now}
END

# What is in the database is what happened.
on_database() { # NAME DB
    base=$1 DB=$2
    start "$base" --ingest-generation mtls-terminal --ingest-pushes "$TMP/pushes.yaml" --ingest-state sql \
        --db "$DB" --ingest-recheck 50ms --ingest-admin-key-file "$TMP/key"
    check "$base: agents get what the script has for them" $python $peers/ingest_pushes.py "localhost:$PORT" --ca "$DIR/ca.pem"
    check "$base: agent and host are offline again" until_true rows \
        "select a.status, h.status from agents a join hosts h on h.agent_id = a.id" 'offline|offline'
    check "$base: a row of metrics for each beat" until_true rows 'select count(*) from host_metrics' 10
    check "$base: a result of a check" rows 'select check_id, status from check_results' 'cpu|pass'
    check "$base: the query is complete" rows 'select status from agent_queries' complete
    check "$base: one task has ended" rows "select status from task_run_hosts where task_type = 'software_inventory'" success
    check "$base: the other was cancelled" rows "select status from task_run_hosts where task_type = 'run_script'" cancelled
    check "$base: the packages are there" rows 'select count(*), sum(removed) from software_packages' '1000|0'
    check "$base: the token was used once" rows 'select usage_count from agent_enrolment_tokens' 1
    check "$base: no statement has failed" counts statements_failed_total 0
    for table in host_metrics check_results agent_queries task_run_hosts software_packages hosts tags agent_keys \
        agent_status_history agents; do
        check "$base: others delete from $table" sql "delete from $table"
    done
    check "$base: which is known here, too" until_true counts agents 0
    stop
}
on_database sqlite "sqlite:$TMP/state.db"
postgres_up
on_database postgres "$POSTGRES_URL"
postgres_down

shake 2 "an unknown signature is refused" target --ingest --ingest-generation tls --plain --ingest-jwt none
printf 'pushes: [{after_beat: 1}]\n' >"$TMP/pushes.yaml"
shake 2 "a script with mistakes is refused" target --ingest --ingest-pushes "$TMP/pushes.yaml"
check "and told with its place" grep -q 'pushes.yaml:1:10: .*this is none' "$TMP/stderr"
shake 2 "client certificates need TLS" target --ingest --plain
