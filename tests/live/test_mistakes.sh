. ./lib.sh

# What can go wrong with a certctl: each is told with its step, its line and what came, by the right exit
# code, and what has to run afterwards runs.
suite=tests/live/suites/certctl-mistakes.yaml
LIVE_SECRET=load-test-token
export LIVE_SECRET

told() {
    tr -s ' \n' '  ' <"$OUT/summary.txt" >"$TMP/line"
    check "$1" grep -q -e "$2" "$TMP/line"
}

# mistake NAME PHASE REASON [flags]
mistake() {
    what=$1 phase=$2 reason=$3
    shift 3
    run 1 "$what" $suite --only first --only "$phase" --only cleanup "$@"
    told "$what: step and reason" "$phase: .*$reason"
    check "$what: its line" /usr/bin/python3 -c '
import json, sys
line = open(sys.argv[2]).read().split("\n").index("  - name: " + sys.argv[3]) + 1
phases = json.load(open(sys.argv[1]))["phases"]
found = [f for p in phases for f in p["findings"] if f["state"] == "breach"]
assert found and all(line <= f["line"] <= line + 8 for f in found), (line, found)
' "$OUT/result.json" $suite "$phase"
    told "$what: the cleanup has run" "cleanup: pass"
}

mistake "a name that is taken" duplicate 'status 500, expected 201: {"error":"Internal Server Error"'
mistake "a deployment that never comes" never 'executed (line [1-9][0-9]*): part deployed: json /status is "pending", expected deployed ([0-9]* tries'
mistake "an answer that is no JSON" malformed 'the body is not JSON: ok'
mistake "a capture that is not there" uncaptured 'part list: nothing to capture as id: no json [^;]*; status 200: {"data":'
mistake "a rate limiter" limited 'BREACH rate_limited count==0' --set limit=1/s --skip first
told "a rate limiter: the advice" '19 x unexpected answer (target): status 429, expected 200-399 (a rate limit: raise it or lower the rate; `count:` tells it apart)'

LIVE_SECRET=canary7f3a-wrong
run 1 "a wrong token" $suite --only first --only cleanup
told "a wrong token: the reason" 'status 401, expected 201 (the credentials are not accepted)'
told "a wrong token: the cleanup has run" "cleanup: pass"
check "a wrong token: it is nowhere" sh -c "! grep -rlF canary7f3a '$OUT' '$TMP/stdout' '$TMP/stderr'"
