# seconds: 70
. ./lib.sh

# The user that the database runs as has to get to its folder.
chmod 711 "$TMP" "$TMPDIR"

LIVE_SECRET='canary7f3a+x!'
export LIVE_SECRET
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
user=$(id -un)
[ "$user" != root ] || user=postgres
seeds=tests/live/suites/sql.yaml
mistakes=tests/live/suites/sql-mistakes.yaml

# The summary breaks lines where it likes.
told() {
    tr -s ' \n' '  ' <"$OUT/summary.txt" >"$TMP/line"
    check "$1" grep -q -e "$2" "$TMP/line"
}

absent() {
    ! grep -rlF -e canary7f3a "$@"
}

database() {
    want=$1 what=$2 suite=$3
    shift 3
    run "$want" "$base: $what" $suite --preset "$base" --set bin="$bin" --set user="$user" "$@"
}

mistake() {
    want=$1 what=$2
    shift 2
    database "$want" "$what" $mistakes "$@"
}

for base in sqlite postgres; do
    database 0 "the seeds, twice, and a load" $seeds
    database 1 "a load that returns too little" $seeds --skip again --skip use-output --set rows=100000
    told "$base: the metric of the breach is told" "BREACH.*sql_rows"
    mistake 3 "a file that fails in the middle" --set file=sql/fails.sql
    told "$base: the file and the line are told" "sql/fails.sql:[45]: .*nome"
    check "$base: nothing of the failing file stays" grep -q '^nothing-of-it-stays: pass' "$OUT/summary.txt"
    check "$base: the load did not run" grep -q '<skipped' "$OUT/junit.xml"
    mistake 3 "a table that is missing" --set 'statement=select * from nothings'
    told "$base: the statement and the table" 'statements\[0\]: .*nothings'
done

# What needs no server of its own.
base=sqlite
database 3 "an assertion that does not hold" $seeds --only schema --only seed --set expected=9999
told "the assertion, what came and what was expected are told" \
    'assert\[0\]: "select count(\*) from managed_certificates" gave 10000, expected 9999'
mistake 0 "a good file" --set expected=3
mistake 1 "a load that breaches" --set queries=100000 --set expected=3
mistake 3 "an assertion of at most" --set at_most=2 --set expected=3
told "the limit is told" 'gave 3, expected at most 2'
mistake 2 "a file that commits" --set file=sql/commits.sql
check "that it would end the transaction" \
    grep -q 'sql-mistakes.yaml:[0-9:]* .*sql/commits.sql:2: "commit" would end the transaction' "$TMP/stderr"
mistake 2 "a command of psql" --set file=sql/meta.sql
check "the command is named" grep -q 'sql/meta.sql:2: "\\copy" is a command of psql' "$TMP/stderr"
mistake 2 "a quote that does not end" --set file=sql/open.sql
check "where it begins" grep -q 'sql/open.sql:2: the quoted text that begins here does not end' "$TMP/stderr"
mistake 2 "a dump with its data behind COPY" --set file=sql/dump.sql --preset postgres
check "the COPY is named, and what to do" \
    grep -q 'sql/dump.sql:4: COPY from or to the client is not for a suite: use INSERT' "$TMP/stderr"
mistake 2 "a folder instead of a file" --set file=sql
check "that it is one" grep -q 'sql": Is a directory' "$TMP/stderr"
mistake 2 "a param that is not declared" --set 'statement=select :nobody'
check "the param and its place are told" \
    grep -q 'sql-mistakes.yaml:[0-9]*:[0-9]*: .*no param "nobody"' "$TMP/stderr"
mistake 2 "a file that is not there" --set file=sql/gone.sql
check "its name is told" grep -q 'no file ".*sql/gone.sql"' "$TMP/stderr"
mistake 3 "another file of SQLite's" --set "statement=attach 'other.db' as other"
told "that it is refused" "ATTACH is refused"

base=postgres
mistake 3 "a statement that takes too long" --set 'statement=select pg_sleep(60)' --set timeout=1s
told "postgres: the time is told" "no answer in time"
mistake 2 "COPY from the client" --set 'statement=copy things from stdin'
check "postgres: COPY is refused" grep -q "COPY from or to the client" "$TMP/stderr"
mistake 3 "COPY behind a statement of its own" --set 'statement=do $$ begin copy things to stdout; end $$'
mistake 3 "an exception of a block" --set file=sql/raises.sql
told "postgres: the line of the block is told" 'sql/raises.sql:2: boom.*in PL/pgSQL function inline_code_block line 3'
mistake 0 "a notice" --set file=sql/notices.sql
check "postgres: the notice is among the outputs" grep -q 'NOTICE: there are 1 things; so far' "$OUT/plan.json"
mistake 3 "an error that repeats a secret" --set 'statement=select cast(:password as int)'
told "postgres: the error is told without it" 'statements\[0\]: .*\*\*\*'
check "postgres: the password is nowhere" absent "$OUT" "$TMP/stdout" "$TMP/stderr"
run 3 "postgres: a wrong password" $seeds --preset wrong-password --set bin="$bin" --set user="$user"
told "postgres: the wrong password is told as such" "password authentication failed"
check "postgres: the wrong password is nowhere" absent "$OUT" "$TMP/stdout" "$TMP/stderr"
check "postgres: libpq's second try does not say it again" \
    sh -c "tr -s ' \n' ' ' <'$OUT/summary.txt' | sed 's/failures, most frequent.*//' | grep -o 'password authentication' | wc -l | grep -qx 2"
run 0 "postgres: a password as it is, beside the url" $seeds --preset beside --set bin="$bin" --set user="$user" --only schema
check "postgres: whether it was encrypted is told" grep -q '"connection": "not encrypted"' "$OUT/result.json"
check "postgres: the password beside the url is nowhere" absent "$OUT" "$TMP/stdout" "$TMP/stderr"
sed -e 's|user: "${login}"|tls: {verify: false}, &|' -e "s|\.\./\.\./\.\.|$PWD|g" $seeds >"$TMP/tls.yaml"
cp tests/live/suites/password.txt "$TMP"
run 3 "postgres: a server without TLS, and TLS asked for" "$TMP/tls.yaml" --preset beside \
    --set bin="$bin" --set user="$user" --only schema
told "postgres: that it has none" "server does not support SSL"
shake 0 "postgres: what prefer leaves open is a warning" validate $seeds --set url=postgres://load@db.example.com/x
check "postgres: said once, of the target" sh -c "grep -c 'targets.db: spoken to in TLS only if' '$TMP/stderr' | grep -qx 1"
run 0 "postgres: over its socket" $seeds --preset socket --set bin="$bin" --set user="$user" --only schema --only seed
run 3 "postgres: nobody is there" $seeds --set url=postgres://load@127.0.0.1:1/postgres
told "postgres: that it is refused" "Connection refused"
/usr/bin/python3 tests/live/stuck_postgres.py "$TMP/stuck" >/dev/null 2>&1 &
STUCK=$!
check "a stuck server is up" until_true test -s "$TMP/stuck"
program() {
    timeout -s KILL 60 env "LIVE_TEST=$TMP" "$SHAKEDOWN" "$@"
}
run 1 "postgres: a stuck server, which does not even take a request to cancel, holds nobody" \
    tests/live/suites/sql-stuck.yaml --set "port=$(cat "$TMP/stuck")"
told "postgres: and is told" "no answer in time"
kill "$STUCK"
run 2 "a password in the query" $seeds --set 'url=postgres://127.0.0.1/x?password=abcd'
run 3 "an sqlite file in a folder that is not there" $seeds --preset sqlite --set "url=sqlite:$TMP/gone/x.db"
told "the file is told, and why" "the file \"$TMP/gone/x.db\" cannot be opened: No such file"
run 2 "an sqlite file without its folder" $seeds --set url=sqlite:state.db
