#!/bin/sh
# run.sh SHAKEDOWN [SCRIPT...] - runs the live tests: each script uses the real program, real sockets and
# real servers, and prints a line "ok - ..." or "not ok - ..." for every check (lib.sh).
#
# $LIVE_JOBS scripts run at a time (as many as there are processors), because most of their time is
# waiting; what one prints is shown when it has ended.  Two comments of a script have a meaning here:
#
#     # seconds: 60     about how long it takes; the longest begin first
#     # alone           it measures, so it runs by itself, after the others
#
# Much is judged by real clocks against real servers.  So a script that has failed runs once more when
# all the others have ended: what is broken fails again, what only wanted for a processor does not.  Its
# second run counts, and the log keeps the first.  When more than three have failed, none is repeated.
set -u
SHAKEDOWN=$(realpath "$1") || exit 1
export SHAKEDOWN
shift
cd "$(dirname "$0")" || exit 1
LOGS=$(mktemp -d) || exit 1
export LOGS
trap 'rm -rf "$LOGS"' EXIT
trap 'exit 130' INT TERM

[ $# -gt 0 ] || set -- test_*.sh

# The scripts named that are to run alone, or those that are not ($1 is -l or -L of grep).
by_length() {
    which=$1
    shift
    grep "$which" '^# alone$' "$@" | while read -r script; do
        echo "$(sed -n 's/^# seconds: //p' "$script") $script"
    done | sort -rn | sed 's/.* //'
}

# One script; its lines get its name, and how it ended is a line of the same kind.
cat >"$LOGS/one" <<'END'
name=$(basename "$1" .sh)
begun=$(date +%s)
timeout 300 sh "./$name.sh" >"$LOGS/$name.out" 2>&1 </dev/null
code=$?
[ "$code" -eq 0 ] || grep -q '^not ok - ' "$LOGS/$name.out" || echo "not ok - ended with $code" >>"$LOGS/$name.out"
sed "s|^\(not \)\{0,1\}ok - |&$name: |" "$LOGS/$name.out" >"$LOGS/$name.log"
{
    grep -v '^ok - ' "$LOGS/$name.log"
    echo "  LIVE $name: $(grep -c '^ok - ' "$LOGS/$name.log") passed, $(($(date +%s) - begun)) s"
} >"$LOGS/$name.out"
cat "$LOGS/$name.out"
END

for script in "$@"; do
    shift
    set -- "$@" "$(basename "$script")"
done
by_length -L "$@" | xargs -r -n 1 -P "${LIVE_JOBS:-$(nproc)}" sh "$LOGS/one"
by_length -l "$@" | xargs -r -n 1 sh "$LOGS/one"

again=$(cd "$LOGS" && grep -l '^not ok - ' ./*.log | sed 's/\.log$//')
if [ "$(echo "$again" | wc -w)" -le 3 ]; then
    for script in $again; do
        echo "  LIVE $(basename "$script"): once more, alone"
        sh "$LOGS/one" "$script"
    done
fi

for script in "$@"; do
    cat "$LOGS/$(basename "$script" .sh).log" || echo "not ok - $script did not run" | tee /dev/stderr
done >"$LOGS/all"
passed=$(grep -c '^ok - ' "$LOGS/all")
failed=$(grep -c '^not ok - ' "$LOGS/all")
echo "live: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
