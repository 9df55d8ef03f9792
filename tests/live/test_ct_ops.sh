# seconds: 60
. ./lib.sh

# The shipped suites of the agent fleet against the embedded ingest, each with the faults that it is there to
# find.  All but the first run four at a time: most of their time is waiting.
unset CT_OPS_ADDRESS CT_OPS_WEB_URL CT_OPS_TOKEN CT_OPS_TOKEN_FILE CT_OPS_LOADTEST_ADMIN_KEY CT_OPS_CA_CERT
pushes=$PWD/tests/live/pushes
jobs=0 running=

suite() { # CODE WHAT SUITE ARGUMENTS...
    code=$1 what=$2 name=$3
    shift 3
    case $jobs:$name in
    0:* | *:capacity) run "$code" "$what" "suites/ct-ops-$name.yaml" --preset smoke "$@" ;;
    *) run "$code" "$what" "suites/ct-ops-$name.yaml" --preset smoke --set missed='count<1000' "$@" ;;
    esac
}
told() {
    tr -s ' \n' '  ' <"$OUT/summary.txt" >"$TMP/line"
    check "$1" grep -qE -e "$2" "$TMP/line"
}
apart() {
    run 0 "fleets with prefixes of their own are different hosts" tests/live/suites/fleets-apart.yaml
    (
        ulimit -n 66
        program run tests/live/suites/fleets-apart.yaml --out "$TMP/refused" >"$TMP/stdout" 2>"$TMP/stderr"
    )
    expect_code 2 $? "two fleets that need more descriptors than there are"
    check "are refused with what each of them needs" grep -q \
        'needs 4 connections at once (7 agents .* to register) and (5 agents .* to register) and 64 descriptors' "$TMP/stderr"
}
# A run that was killed is forgotten by `cleanup`, at a server that the suite did not start.
killed() {
    mkdir "$TMP/ingest"
    env "LIVE_TEST=$TMP" "$SHAKEDOWN" target --ingest --listen 127.0.0.1:0 --port-file "$TMP/ingest/port" --ca-out "$TMP/ingest/ca.pem" \
        --ingest-admin-key-file fixtures/ct-ops/admin-key >"$TMP/ingest/log" 2>&1 &
    ingest=$!
    check "killed: the server is up" until_true test -s "$TMP/ingest/port"
    CT_OPS_ADDRESS=localhost:$(cat "$TMP/ingest/port")
    CT_OPS_WEB_URL=https://$CT_OPS_ADDRESS/
    CT_OPS_CA_CERT=$TMP/ingest/ca.pem
    export CT_OPS_ADDRESS CT_OPS_WEB_URL CT_OPS_CA_CERT
    start_run suites/ct-ops-fleet.yaml --preset smoke --set duration=60s
    check "killed: the fleet is registered" until_true agents_are 31
    kill -KILL "$RUN"
    wait "$RUN" 2>/dev/null
    shake 0 "killed: cleanup" cleanup "$OUT"
    check "killed: no host is left" agents_are 0
    kill -TERM $ingest
    wait $ingest
}
agents_are() {
    curl -s --cacert "$CT_OPS_CA_CERT" "${CT_OPS_WEB_URL}ingest/metrics" | grep -qx "ingest_agents $1"
}
cleanup_case() {
    check "$1: the cleanup is a JUnit case" grep -q '<testcase[^>]*name="cleaned up"' "$OUT/junit.xml"
}

suite 0 "a fleet passes and is forgotten" fleet
check "as many hosts are deleted as were created, the preflight's with them" /usr/bin/python3 -c 'import json, sys
p = [p for p in json.load(open(sys.argv[1]))["phases"] if p["name"] == "forget-the-fleet"][0]
facts = p["steps"][0]["facts"]
assert facts["deleted"] == facts["created"] == "31", facts' "$OUT/result.json"
check "the summary has the fleet's times up to p99.9 and its counts, as result.json has them" /usr/bin/python3 -c 'import json, re, sys
m = json.load(open(sys.argv[1]))["phases"][0]["steps"][0]["metrics"]
text = " ".join(open(sys.argv[2]).read().split())
count = lambda name: re.search(r"\b%s ([\d,]+)" % name, text)[1].replace(",", "")
for name in "beats_due", "beats_sent", "beats_answered", "registrations", "beat_rtt", "staleness", "register_duration":
    assert int(count(name)) == m[name]["values"]["count"], name
row = re.search(r"p99 p99\.9 max .*?\bbeat_rtt \S+((?: \S+){6})", text)[1].split()
ms = [float(re.match(r"[\d.]+", v)[0]) * {"ns": 1e-6, "us": 1e-3, "ms": 1, "s": 1e3}[re.sub(r"[\d.]", "", v)] for v in row]
want = [m["beat_rtt"]["values"][k] for k in ("med", "p(90)", "p(95)", "p(99)", "p(99.9)", "max")]
assert all(abs(a - b) <= 0.01 * b for a, b in zip(ms, want)), (row, want)' "$OUT/result.json" "$OUT/summary.txt"
cleanup_case "a pass"

job() {
    jobs=$((jobs + 1))
    (
        trap - EXIT
        TMP=$TMP/job$jobs-
        TMPDIR=$TMP/tmp
        mkdir -p "$TMPDIR"
        "$@" 2>&1
    ) >"$TMP/job$jobs.out" &
    running="$running $!"
}
join() {
    # shellcheck disable=SC2086 # a list
    [ -z "$running" ] || wait $running
    running=
}

slow() {
    suite 1 "a slow server breaches" fleet --set pushes="$pushes/slow.yaml"
    told "slow: by the time to the reply" "BREACH beat_rtt p\(95\)<250ms"
}
drops() {
    suite 1 "a server that drops connections breaches" fleet --set pushes="$pushes/drops.yaml"
    told "drops: by the reconnects" "BREACH reconnects count==0"
}
wrong_token() {
    CT_OPS_TOKEN=not-the-token
    export CT_OPS_TOKEN
    suite 3 "a wrong token cannot tell" fleet
    told "wrong token: is named" "oken"
}
partial() {
    suite 3 "hosts that cannot be deleted" fleet --set pushes="$pushes/undeletable.yaml"
    told "undeletable: how many, and what to do" "hosts could not be deleted.*shakedown cleanup.*forget-hosts.sql"
    cleanup_case "undeletable"
    check "undeletable: the load itself has passed" grep -q "pass .*missed_beats" "$OUT/summary.txt"
}
login() {
    suite 3 "a server that redirects to its login page" fleet --set generation=head
    told "login: is told" "status 307"
    cleanup_case "login"
}
wrong_key() {
    CT_OPS_LOADTEST_ADMIN_KEY=not-the-key
    export CT_OPS_LOADTEST_ADMIN_KEY
    suite 3 "a wrong admin key" fleet
    told "wrong key: is told" "status 401: the server does not take the key"
}
older() {
    suite 0 "a server without client certificates" fleet --set generation=tls
    suite 0 "a server with terminals" fleet --set generation=mtls-terminal
}
storm() {
    suite 1 "every connection closed at once" fleet --set drop_all_after=1500ms --set duration=5s
    told "storm: all have come back" "BREACH reconnects count==0"
}
capacity() {
    suite 0 "a capacity is found" capacity --set most=20
    told "capacity: the size that held is the answer" "last_good value>=1 20"
    told "capacity: with the server's own numbers" "server: streams max>=10 20"
}
no_capacity() {
    suite 1 "a server too slow for its first size" capacity --set most=20 --set pushes="$pushes/slow.yaml"
}
# The suite's own server with a database, where as many hosts are left as should be: none.
with_database() {
    suite 0 "a fleet whose server has SQLite" fleet --set state=sql --set "database=sqlite:$TMP/state.db"
    check "SQLite: what the fleet did was there" /usr/bin/python3 -c 'import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
assert c.execute("select count(*) from revoked_certificates").fetchone() == (31,)
assert c.execute("select count(*) from hosts").fetchone() == (0,)' "$TMP/state.db"
}
on_postgres() {
    suite 0 "a fleet whose server has Postgres" fleet --set state=sql --set "database=$POSTGRES_URL"
    check "Postgres: what the fleet did was there" rows "select count(*), (select count(*) from hosts)
        from revoked_certificates" '31|0'
}
DB=
. tests/live/ingest.sh
postgres_up
DB=$POSTGRES_URL
for what in with_database on_postgres slow drops wrong_token partial login wrong_key older storm apart killed capacity no_capacity; do
    [ $((jobs % 4)) -ne 0 ] || join
    job $what
done
join
postgres_down
cat "$TMP"/job*.out
failures=$((failures + $(cat "$TMP"/job*.out | grep -c '^not ok' || true)))
