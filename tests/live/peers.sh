# peers.sh - our agents against a server that shares nothing with us (tests/peers); what each of them said is
# in its report.  For the scripts that begin with `. ./lib.sh` and then have `. tests/live/peers.sh`.
peers=tests/peers
python=/usr/bin/python3
LIVE_TOKEN=peer-token
export LIVE_TOKEN
serve() { # FLAGS...; its folder is $dir, its address $address
    count=$((count + 1))
    dir=$TMP/peer$count
    mkdir "$dir"
    env "LIVE_TEST=$TMP" $python $peers/ingest_server.py --dir "$dir" "$@" >"$dir/log" 2>&1 &
    server=$!
    check "the peer's server is up $*" until_true test -e "$dir/port"
    address=localhost:$(cat "$dir/port" 2>/dev/null)
}
stop() {
    kill -TERM $server
    wait $server
}
fleet() {
    want=$1 what=$2
    shift 2
    new_out
    program run tests/live/suites/peer-fleet.yaml --set address="$address" --set ca="$dir/ca.pem" "$@" \
        --out "$OUT" >"$TMP/stdout" 2>"$TMP/stderr" </dev/null
    expect_code "$want" $? "$what"
    expect_agreement "$want" "$what"
}
saw() { # WHAT EXPRESSION over the report `r`
    check "$1" $python -c 'import json, sys
r = json.load(open(sys.argv[1]))
beats = r["beats_of"]
if not eval(sys.argv[2]):
    del r["beats_of"]
    sys.exit(f"{r}")' "$dir/report.json" "$2"
}
