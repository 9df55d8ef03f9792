# seconds: 40
. ./lib.sh
suite=tests/live/suites/cleanup.yaml
python=/usr/bin/python3
LIVE_ADMIN_KEY='key7d1c+admin'
export LIVE_ADMIN_KEY
db=$TMP/hosts.db

# To end at once is to leave threads where they are, which is no fault here.
TSAN_OPTIONS="${TSAN_OPTIONS-} report_thread_leaks=0"
export TSAN_OPTIONS

rows() {
    $python -c 'import sqlite3, sys
print(sqlite3.connect(sys.argv[1], timeout=30).execute(sys.argv[2]).fetchone()[0])' "$db" "$1" 2>/dev/null
}
hosts_left() {
    rows "select count(*) from hosts"
}
forget_rows() {
    rm -f "$db" "$db"-*
}
mode() {
    echo "$1" >"$db.mode"
}
nothing_left() {
    [ "$(hosts_left)" = 0 ] && [ -z "$(leftovers)" ] && [ -z "$(ls -A "$TMPDIR")" ]
}
said() {
    tr -s ' \n' '  ' <"$TMP/stdout" >"$TMP/line"
    check "$1" grep -q -e "$2" "$TMP/line"
}
told() {
    tr -s ' \n' '  ' <"$OUT/summary.txt" >"$TMP/line"
    check "$1" grep -q -e "$2" "$TMP/line"
}
# The daemon's child outlives the run; that is one of the things `cleanup` is for.
sweep() {
    leftovers | while read -r pid; do
        kill -KILL "$pid" 2>/dev/null
    done
    rm -rf "$TMPDIR" && mkdir "$TMPDIR"
}

$python tests/fixtures/admin.py "$TMP/port" "$db" "$LIVE_ADMIN_KEY" ok >"$TMP/admin.log" 2>&1 &
admin=$!
trap 'kill $admin 2>/dev/null; finish' EXIT
check "the admin page is up" until_true test -e "$TMP/port"
set -- $suite --set db="$db" --set web="http://127.0.0.1:$(cat "$TMP/port")/"

# begun CODE WHAT: one run to its end, in the mode that has been set.
begun() {
    want=$1 what=$2
    shift 2
    new_out
    program run "$@" --out "$OUT" >"$TMP/stdout" 2>"$TMP/stderr" </dev/null
    expect_code "$want" $? "$what"
    expect_agreement "$want" "$what"
    sweep
}
journal_is_valid() {
    $python - "$OUT/journal.jsonl" <<'PY'
import json, sys
import jsonschema
schema = json.load(open("docs/journal.schema.json"))
lines = open(sys.argv[1]).read().splitlines()
for line in lines:
    jsonschema.validate(json.loads(line), schema)
assert len(lines) > 5
PY
}

mode ok
begun 0 "a run cleans up after itself" "$@"
check "no host is left" test "$(hosts_left)" = 0
check "its journal is as the schema says" journal_is_valid
shake 0 "cleanup of a run that has cleaned up" cleanup "$OUT"
said "says that nothing is left" "nothing is left"
check "and does nothing again" test "$(rows "select count(*) from marks")" = 1

# Every way in which the endpoint may fail is told, with the other ways to the same end, and is a
# JUnit case of its own; the next cleanup that is let through finishes.
for kind in some:"1 host could not be deleted, 19 were.*foreign key" login:"status 307 to /login" \
    disabled:"status 503: the endpoint is switched off" html:"no {\"deleted\"" half:"closed\|reset\|empty" \
    gateway:"status 504"; do
    mode "${kind%%:*}"
    begun 3 "${kind%%:*}: a cleanup that fails is no verdict" "$@"
    told "${kind%%:*}: the summary says why" "${kind#*:}"
    told "${kind%%:*}: and how to finish" "hosts named loadtest-[0-9a-f-]*-\*.*psql -v prefix=loadtest-"
    check "${kind%%:*}: it is a JUnit case" grep -q '<testcase[^>]*name="[^"]*cleaned up"' "$OUT/junit.xml"
    case ${kind%%:*} in
    half) code=3 ;;
    *) code=1 ;;
    esac
    [ "${kind%%:*}" = half ] || shake $code "${kind%%:*}: cleanup is refused as well" cleanup "$OUT"
    mode ok
    shake 0 "${kind%%:*}: cleanup finishes once it is let through" cleanup "$OUT"
    check "${kind%%:*}: no host is left" test "$(hosts_left)" = 0
done
check "a phase that had done its work was not run again" \
    test "$(rows "select max(n) from (select count(*) as n from marks group by run)")" = 1

mode more
begun 0 "an endpoint that deletes two hosts at a time" "$@"
mode ok
LIVE_ADMIN_KEY=other
begun 3 "a wrong key" "$@"
told "a wrong key is told" "status 401: the server does not take the key"
LIVE_ADMIN_KEY='key7d1c+admin'
(unset LIVE_ADMIN_KEY; shake 2 "cleanup without the key" cleanup "$OUT"; [ "$failures" = 0 ]) || failures=1
shake 0 "cleanup with it" cleanup "$OUT"

# Killed at any moment: after one cleanup nothing is left, and the journal never had a secret in it.
forget_rows
rows "create table if not exists hosts (name text)"
for moment in 0.02 0.06 0.1 0.15 0.2 0.3; do
    start_run "$@" --set hosts=300 --set hold=20s
    sleep $moment
    kill -KILL "$RUN"
    wait "$RUN" 2>/dev/null
    if [ -e "$OUT/journal.jsonl" ]; then
        shake 0 "killed after $moment s: cleanup" cleanup "$OUT"
    fi
    [ -e "$db" ] || rows "create table hosts (name text)"
    check "killed after $moment s: nothing is left" nothing_left
    check "killed after $moment s: no secret in it" sh -c "! grep -r 'key7d1c' '$OUT'"
done

# A cleanup that is killed itself, and one of a run that still goes on.
start_run "$@" --set hosts=300 --set hold=60s
check "the load begins" until_true grep -q '"name":"hold"' "$OUT/journal.jsonl"
shake 3 "cleanup of a run that goes on" cleanup "$OUT"
check "says so" grep -q "still going on" "$TMP/stderr"
kill -KILL "$RUN"
wait "$RUN" 2>/dev/null
mode half
shake 3 "a cleanup whose answer is lost" cleanup "$OUT"
mode ok
shake 0 "and the next one" cleanup "$OUT"
check "nothing is left" nothing_left

# The second Ctrl-C ends at once and leaves the journal.
start_run "$@" --set hold=60s
check "the load begins again" until_true grep -q '"name":"hold"' "$OUT/journal.jsonl"
kill -STOP $admin
kill -INT "$RUN"
check "the cleanup begins" until_true grep -q '"event":"phase","name":"forget"' "$OUT/journal.jsonl"
kill -INT "$RUN"
wait "$RUN"
expect_code 3 $? "a second SIGINT in the middle of the cleanup"
kill -CONT $admin
shake 0 "cleanup finishes what it left" cleanup "$OUT"
check "nothing is left after it" nothing_left

# Left on purpose, the services run until `cleanup`.
new_out
program run "$@" --no-cleanup --out "$OUT" >"$TMP/stdout" 2>"$TMP/stderr" </dev/null
expect_code 0 $? "a run with --no-cleanup"
check "its hosts are there" test "$(hosts_left)" = 20
shake 0 "cleanup --dry-run" cleanup "$OUT" --dry-run
said "tells what is left" "phase forget has not done.*service daemon runs still.*has not been removed"
check "and touches nothing" test "$(hosts_left)" = 20
shake 0 "cleanup after --no-cleanup" cleanup "$OUT"
check "nothing is left then" nothing_left

# What the journal says is not believed blindly.
new_out
program run "$@" --set hold=10ms --no-cleanup --out "$OUT" >"$TMP/stdout" 2>"$TMP/stderr" </dev/null
cp $suite "$TMP/changed.yaml"
echo "# changed" >>"$TMP/changed.yaml"
sed -i "s|\"suite\":\"[^\"]*\"|\"suite\":\"$TMP/changed.yaml\"|" "$OUT/journal.jsonl"
shake 2 "a suite that has changed" cleanup "$OUT"
check "is not used" grep -q "has changed since the run" "$TMP/stderr"
mkdir "$TMP/precious"
sed -i "s|\"path\":\"[^\"]*\"|\"path\":\"$TMP/precious\"|" "$OUT/journal.jsonl"
shake 3 "a private folder with another name" cleanup "$OUT" --suite $suite
check "is left alone" test -d "$TMP/precious"
sweep
shake 2 "cleanup of nothing" cleanup "$TMP/nowhere"
shake 2 "cleanup of something else" cleanup "$TMP/changed.yaml"
