#!/bin/sh
# run.sh SHAKEDOWN [NAME...] - each NAME.cmd is a shell line that uses "$SHAKEDOWN"; its standard
# output, standard error and exit code must equal NAME.out.  UPDATE=1 rewrites the .out files, and
# their diff is reviewed like any other change.
#
# The line runs in this folder with nothing in its environment but PATH, HOME and SHAKEDOWN, and
# with TMP, an empty folder of its own, whose path reads "TMP" in the output.
set -u
SHAKEDOWN=$(realpath "$1") || exit 1
shift
cd "$(dirname "$0")" || exit 1
TMP=$(mktemp -d) || exit 1
trap 'rm -rf "$TMP"' EXIT
passed=0 failed=0

[ $# -gt 0 ] || set -- *.cmd
for cmd in "$@"; do
    name=${cmd%.cmd}
    mkdir "$TMP/$name"
    env -i PATH="$PATH" HOME=/nonexistent LC_ALL=C.UTF-8 SHAKEDOWN="$SHAKEDOWN" TMP="$TMP/$name" \
        timeout 60 sh "$name.cmd" >"$TMP/stdout" 2>"$TMP/stderr" </dev/null
    code=$?
    {
        cat "$TMP/stdout"
        echo "--- stderr"
        cat "$TMP/stderr"
        echo "--- exit $code"
    } | sed "s#$TMP/$name#TMP#g" >"$TMP/got"
    if [ -n "${UPDATE-}" ]; then
        cmp -s "$TMP/got" "$name.out" || { cp "$TMP/got" "$name.out" && echo "wrote $name.out"; }
        passed=$((passed + 1))
    elif diff -u --label "$name.out" "$name.out" --label "now" "$TMP/got"; then
        passed=$((passed + 1))
    else
        echo "not ok - golden/$name"
        failed=$((failed + 1))
    fi
done
echo "golden: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
