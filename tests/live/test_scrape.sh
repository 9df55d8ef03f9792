# seconds: 25
. ./lib.sh
suite=tests/live/suites/scrape.yaml

told() {
    check "$1" grep -q -e "$2" "$TMP/stderr" "$TMP/stdout"
}

# A new endpoint for each run, because its numbers depend on how often it was read.
endpoint() {
    rm -f "$TMP/port"
    env "LIVE_TEST=$TMP" /usr/bin/python3 tests/live/metrics.py "$TMP/port" &
    SERVER=$!
    until_true test -s "$TMP/port"
}

scrape() {
    want=$1 what=$2
    shift 2
    endpoint
    new_out
    program run "$suite" --set port="$(cat "$TMP/port")" "$@" --out "$OUT" >"$TMP/stdout" 2>"$TMP/stderr" </dev/null
    expect_code "$want" $? "$what"
    kill "$SERVER"
    wait "$SERVER" 2>/dev/null
    [ "$want" -eq 2 ] || expect_agreement "$want" "$what"
}

# A metric of the step "server" in result.json.
value_of() {
    /usr/bin/python3 -c "
import json, sys
steps = json.load(open(sys.argv[1]))['phases'][0]['steps']
step = next(s for s in steps if s['name'] == 'server')
print(step['metrics'][sys.argv[2]]['values'][sys.argv[3]])" "$OUT/result.json" "$1" "$2"
}

scrape 0 "an endpoint read beside a load"
# One before, 8 beside the load, one after: 10, 10 to the third, then a new process: 0, 10 ... 60.
check "what it counted, over a reset" test "$(value_of server_requests count)" = 80
check "of the failures alone" test "$(value_of server_errors count)" = 8
check "a counter that was not there before has counted from 0" test "$(value_of late count)" = 5
check "the median in a bucket of 100 ms to 200 ms" test "$(value_of server_p50 value)" = 150
scrape 1 "too many failures counted by the server" --set errors=3
told "too many failures: the observed number is told" "server_errors"
scrape 1 "the server's own median is too high" --set p50=120ms
scrape 1 "an endpoint that does not let us in" --set key=k2
told "not let in: the status is told" "status 401, expected 200"
scrape 1 "an answer that is not of the format" --set path=/broken
told "not of the format: the line is told" "line 1 of the answer: its labels are malformed"
scrape 1 "a metric that is not there" --set selector=http_request_total
told "not there: its name is told" 'no metric "http_request_total"'
scrape 0 "a label that no series has counts as none" --set 'selector=http_requests_total{code="503"}' --set errors=1
check "no series: 0 was counted" test "$(value_of server_errors count)" = 0
scrape 2 "a selector that is none" --set 'selector=http_requests_total{code=500}'
told "no selector: it is told with its place" "scrape.yaml:2[0-9]:.*server_errors.metric: .* is not name{label="
# What compares two readings says nothing of one.
sed -e '/executor: constant-arrival-rate, rate: 4/d' $suite >"$TMP/once.yaml"
shake 2 "one reading only, and a counter's gain judged" validate "$TMP/once.yaml"
told "one reading: the metric, its place and the cure" \
    'once.yaml:[0-9]*:[0-9]*: .*server_errors compares two operations, and one is planned: give the step a `load:`'
check "one reading: a gauge may be judged" sh -c "! grep server_memory '$TMP/stderr'"
scrape 1 "failures chosen by a pattern" --set 'selector=http_requests_total{code=~"5..",path!="x"}' --set errors=8
scrape 3 "a counter that says nothing is no 0" --set path=/nan --set 'selector=nothing_total'
told "says nothing: it is told" "server_errors has no samples"
scrape 0 "names in quotes are asked for, read and chosen" --set path=/quoted --set 'selector={"http.errors",code="500"}'
check "in quotes: what was counted" test "$(value_of server_errors count)" = 8
scrape 1 "names as all know them" --set path=/quoted --set 'selector=http_errors' --set errors=8
scrape 1 "an OpenMetrics answer that is cut short" --set path=/cut
told "cut short: it is told" "cut short"
scrape 1 "an answer without an end" --set path=/huge
told "without an end: the bound is told" "16 MiB or more"
scrape 1 "an endpoint that goes away" --set path=/gone
told "goes away: it is told, of the reading after the load as well" "the reading after the load: "
suite=tests/live/suites/scrape-auth.yaml
scrape 0 "a token and a password let us in"
scrape 3 "another token does not" --set token=k4
told "another token: the status is told" "status 401, expected 200"
