# lib.sh - what the live tests share; they begin with `. ./lib.sh`.
#
#     run 0 "demo passes" suites/demo.yaml --preset quick     shakedown run, and the exit code asked for
#     shake 2 "..." judge gone                                any other subcommand
#     check "..." grep -q word "$OUT/summary.txt"             any command that has to succeed
#
# Every call of run() has a results directory of its own, $OUT; standard output and error are in
# $TMP/stdout and $TMP/stderr.  The program puts its own temporary files below $TMP too, and nothing
# that it started may live on when it has ended: run() checks that every time.
set -u
cd ../.. || exit 1
TMP=$(mktemp -d) || exit 1
TMPDIR=$TMP/tmp
export TMPDIR
mkdir "$TMPDIR"
OUT=$TMP/none
count=0
failures=0
unset GITHUB_ACTIONS GITHUB_STEP_SUMMARY GITHUB_OUTPUT NO_COLOR FORCE_COLOR

finish() {
    code=$?
    trap - EXIT
    leftovers | while read -r pid; do
        kill -KILL "$pid" 2>/dev/null
    done
    rm -rf "$TMP"
    [ "$code" -ne 0 ] || [ "$failures" -eq 0 ] || code=1
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM

ok() {
    echo "ok - $1"
}

not_ok() {
    echo "not ok - $1"
    failures=$((failures + 1))
}

check() {
    name=$1
    shift
    if "$@" >"$TMP/check" 2>&1; then
        ok "$name"
    else
        not_ok "$name"
        printf '    %s\n' "failed: $*"
        tail -n 30 "$TMP/check" | sed 's/^/    /'
    fi
}

# Processes that came from here, by their working directory or by the mark in their environment.
leftovers() {
    {
        grep -lsz "^LIVE_TEST=$TMP\$" /proc/[0-9]*/environ
        find /proc/[0-9]*/cwd -maxdepth 0 -lname "$TMP*" 2>/dev/null
    } | cut -d / -f 3 | sort -u
}

# The program as the tests start it: marked, so that what it leaves behind can be found.
program() {
    env "LIVE_TEST=$TMP" "$SHAKEDOWN" "$@"
}

expect_code() {
    if [ "$2" -eq "$1" ]; then
        ok "$3"
    else
        not_ok "$3: exit code $2, not $1"
        sed 's/^/    /' "$TMP/stdout" "$TMP/stderr" | tail -n 60
    fi
}

expect_quiet() {
    left=$(leftovers)
    if [ -z "$left" ] && [ -z "$(ls -A "$TMPDIR")" ]; then
        ok "$1: leaves nothing behind"
    else
        not_ok "$1: leaves processes ($left) or files ($(ls -A "$TMPDIR"))"
    fi
}

new_out() {
    count=$((count + 1))
    OUT=$TMP/out$count
}

run() {
    want=$1 what=$2
    shift 2
    new_out
    program run "$@" --out "$OUT" >"$TMP/stdout" 2>"$TMP/stderr" </dev/null
    expect_code "$want" $? "$what"
    expect_quiet "$what"
    [ "$want" -eq 2 ] || expect_agreement "$want" "$what"
}

shake() {
    want=$1 what=$2
    shift 2
    program "$@" >"$TMP/stdout" 2>"$TMP/stderr" </dev/null
    expect_code "$want" $? "$what"
}

# Exit code, result.json, junit.xml and summary.txt come from one verdict.
expect_agreement() {
    check "$2: every report says the same" /usr/bin/python3 tests/live/agreement.py "$OUT" "$1"
}

# Waits for a condition, at most 30 s.  A test never depends on how long anything takes.
until_true() {
    end=$(($(date +%s) + 30))
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt "$end" ] || return 1
        sleep 0.05
    done
}

# start_run ARG...: a run in the background, interruptible; its pid is $RUN.
start_run() {
    new_out
    env "LIVE_TEST=$TMP" --default-signal=INT "$SHAKEDOWN" run "$@" --out "$OUT" \
        >"$TMP/stdout" 2>"$TMP/stderr" </dev/null &
    RUN=$!
}
