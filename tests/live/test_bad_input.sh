. ./lib.sh
suite=tests/live/suites/mistake.yaml

# The messages are held by tests/golden; here it is that nothing has happened.
refused() {
    name=$1
    shift
    run 2 "$name" "$@"
    check "$name: no results" test ! -e "$OUT"
    check "$name: nothing was started" test ! -e "$TMP/mark"
    check "$name: says why" test -s "$TMP/stderr"
    check "$name: standard output is empty" test ! -s "$TMP/stdout"
}

refused "a limit that is none" $suite --set mark="$TMP/mark" --set limit=soon
refused "an unset variable" $suite
refused "an unknown preset" $suite --set mark="$TMP/mark" --preset none
refused "an unknown flag" $suite --set mark="$TMP/mark" --frobnicate
refused "an unknown phase" $suite --set mark="$TMP/mark" --only nothing
refused "a missing suite" tests/live/suites/none.yaml
for s in tests/golden/suites/*.yaml; do
    case $s in
    */good.yaml | */threshold-implied.yaml | */slow-unopened.yaml) ;; # at most warned of
    */sql-null.yaml) ;;                                               # runs, and gets a row that it does not want
    *) refused "$(basename "$s" .yaml)" "$s" ;;
    esac
done

# More connections than this process may have: told with its place and the cure, before any traffic.
program() {
    (ulimit -n 400 && exec env "LIVE_TEST=$TMP" "$SHAKEDOWN" "$@")
}
refused "more connections than descriptors" tests/live/suites/attacks.yaml --set connections=500
check "descriptors: the place" grep -q '^tests/live/suites/attacks.yaml:[0-9]*:[0-9]*: phase "all" needs' "$TMP/stderr"
check "descriptors: the cure" grep -q 'this process may have 400: raise `ulimit -n`' "$TMP/stderr"
