. ./lib.sh

# A firewall between the attack and its target, in a network of the test's own: it drops packets and says
# nothing, which ends no connection.  The attack goes to 127.0.0.2, the control traffic to 127.0.0.1.
suite=tests/live/suites/slow.yaml
isolated() {
    unshare -n sh -c 'ip link set lo up && nft -f "$0" && exec "$@"' "$@"
}

# rules TEXT: what the firewall does with what arrives.
rules() {
    printf 'table inet test {\n chain input {\n  type filter hook input priority 0;\n  %s\n }\n}\n' "$1" >"$TMP/rules"
}

rules ""
if isolated "$TMP/rules" true >/dev/null 2>&1; then
    ok "packets are dropped by nftables in a network namespace"
    program() {
        isolated "$TMP/rules" env "LIVE_TEST=$TMP" "$SHAKEDOWN" "$@"
    }
    attack="--set listen=0.0.0.0 --set attack_host=127.0.0.2"
else
    ok "no network namespaces or nftables here (root, unshare, ip and nft are needed): the attack is refused in place of dropped"
    rules=refused
    attack="--set attack_url=http://127.0.0.1:1/"
fi

dropped() {
    name=$1
    shift
    # shellcheck disable=SC2086
    run 3 "$name" $suite $attack --set hold_for=4s "$@"
    check "$name: the control alone is no pass" grep -q 'inconclusive  *control: op_ok' "$OUT/summary.txt"
}

if [ "${rules-}" = refused ]; then
    dropped "an attack that is refused is no pass"
    exit 0
fi

rules "ip daddr 127.0.0.2 tcp dport != 0 drop"
dropped "an attack that is dropped is no pass"
check "dropped: says so" grep -q 'no connection was ever held' "$OUT/summary.txt"

rules "ip daddr 127.0.0.2 tcp flags & (syn|ack) == syn ct count over 20 drop"
dropped "an attack of which half is dropped is no pass"
check "half: says how much was held" grep -q 'held 90% of its 40 connections in 0 of 4' "$OUT/summary.txt"

# Connections are established and say how they begin; what follows is dropped.  Both ends go on believing
# that they are held.
rules "ip daddr 127.0.0.2 ct original packets > 3 drop; ip saddr 127.0.0.2 ct original packets > 3 drop"
dropped "an attack that is dropped once it is established is no pass" --set every=500ms
tr -s '\n ' '  ' <"$OUT/summary.txt" >"$TMP/words"
check "lost: says so" grep -q 'held 90% of its 40 connections in 0 of 4' "$TMP/words"

rules "ip daddr 127.0.0.3 drop"
# shellcheck disable=SC2086
run 0 "the same attack with nobody in between" $suite $attack --set hold_for=4s --set every=500ms
