# seconds: 25
. ./lib.sh

suite=tests/live/suites/stepping.yaml

# What a step found: its last good size and its first bad one.
found() {
    /usr/bin/python3 - "$OUT/result.json" "$@" <<'END'
import json, sys
steps = {s["name"]: s for s in json.load(open(sys.argv[1]))["phases"][0]["steps"]}
st = steps[sys.argv[2]]["stepping"]
print(st["last_good"], st["first_bad"], [(z["size"], z["verdict"], z["reason"]) for z in st["sizes"]])
sys.exit([st["last_good"], st["first_bad"]] != [float(v) for v in sys.argv[3:5]])
END
}

run 0 "stepping: the answer is no breach" $suite
check "stepping: the rate of a target that is known" found rate 200 250
check "stepping: as many virtual users as may be" found vus 4 5
check "stepping: as many agents as may be" found agents 125 150
check "stepping: the table is in the summary" grep -q "rate, size by size" "$OUT/summary.txt"
check "stepping: and in JUnit" grep -q "rate: 200/s held, achieved" "$OUT/junit.xml"
check "stepping: every size is told while it runs" grep -q "rate: 400/s did not hold" "$TMP/stderr"

cp -r "$OUT" "$TMP/again"
shake 0 "stepping: judged again" judge "$TMP/again"
check "stepping: from what was stored, to the byte" diff -r "$OUT" "$TMP/again"
shake 1 "stepping: more was asked for than it holds" judge "$TMP/again" --set least=201
shake 1 "stepping: judged again by a harder limit, not even the first size held" \
    judge "$TMP/again" --set p95=10ms
check "stepping: and it says so" grep -q "last_good value>=200: value is 0" "$TMP/stdout"

run 1 "stepping: a start beyond what the target holds" $suite --set start=400/s
check "stepping: nothing below it is tried" found rate 0 400
