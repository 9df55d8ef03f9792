#!/bin/sh
# run.sh SHAKEDOWN [SCRIPT...] - runs the live tests: each script uses the real program, real sockets and
# real servers, and prints a line "ok - ..." or "not ok - ..." for every check (lib.sh).
set -u
SHAKEDOWN=$(realpath "$1") || exit 1
export SHAKEDOWN
shift
cd "$(dirname "$0")" || exit 1
log=$(mktemp) || exit 1
trap 'rm -f "$log" "$log".code' EXIT

[ $# -gt 0 ] || set -- test_*.sh
for script in "$@"; do
    { timeout 300 sh "./$(basename "$script")"; echo $? >"$log.code"; } 2>&1 |
        sed "s|^\(not \)\{0,1\}ok - |&$(basename "$script" .sh): |" | tee "$log.one" | grep -v '^ok - '
    cat "$log.one" >>"$log"
    [ "$(cat "$log.code")" = 0 ] || grep -q '^not ok - ' "$log.one" ||
        echo "not ok - $script ended with $(cat "$log.code")" | tee -a "$log"
done
rm -f "$log.one"
passed=$(grep -c '^ok - ' "$log")
failed=$(grep -c '^not ok - ' "$log")
echo "live: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
