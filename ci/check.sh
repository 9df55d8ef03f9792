#!/bin/sh
# check.sh BUILD STAGE... - runs the stages (unit, golden, replay, live) with what is in the build
# folder and ends with one line, the sum of all: "N passed, N failed".
#
# Every stage prints a line "NAME: N passed, N failed" for each of its programs.  A program that
# ends without one, or that fails without counting a failure, counts as one failure.
set -u
build=$1
shift
log=$(mktemp) || exit 1
trap 'rm -f "$log" "$log".one "$log".code' EXIT

stage() {
    { "$@" 2>&1; echo $? >"$log.code"; } | tee "$log.one"
    code=$(cat "$log.code")
    if ! grep -q '^[^ ]*: [0-9]* passed, [0-9]* failed$' "$log.one" ||
        { [ $code -ne 0 ] && ! grep -q '^[^ ]*: [0-9]* passed, [1-9][0-9]* failed$' "$log.one"; }; then
        echo "$1 ended with $code"
        echo "$(basename "$1"): 0 passed, 1 failed" | tee -a "$log.one"
    fi
    grep '^[^ ]*: [0-9]* passed, [0-9]* failed$' "$log.one" >>"$log"
}

for s in "$@"; do
    case $s in
    unit) stage "$build/unit" ;;
    golden) stage tests/golden/run.sh "$build/shakedown" ;;
    live) stage tests/live/run.sh "$build/shakedown" ;;
    replay)
        for f in tests/fuzz/fuzz_*.c; do
            name=$(basename "$f" .c)
            [ -f "$f" ] && stage "$build/replay_${name#fuzz_}" "tests/fuzz/corpus/$name"
        done
        ;;
    *)
        echo "check.sh: no stage \"$s\"" >&2
        exit 2
        ;;
    esac
done

awk '{ passed += $2; failed += $4 }
     END { printf "%d passed, %d failed\n", passed, failed; exit failed > 0 || passed == 0 }' "$log"
