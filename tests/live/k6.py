"""k6.py K6.json RESULT.json - is it what k6 hands to handleSummary(), and does it agree with the result?

The shape is k6's own (internal/js/summary.go and its documentation of the `data` object).
"""
import json
import math
import re
import sys

VALUES = {"counter": {"count", "rate"}, "gauge": {"value", "min", "max"}, "rate": {"rate", "passes", "fails"}}
CONTAINS = {"default", "time", "data"}
TIER = {"p50", "p95", "p99", "max", "avg", "error_rate", "iterations"}


def need(true, what):
    if not true:
        sys.exit(what)


def number(v):
    return isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v)


def group(g, ids):
    need(set(g) == {"name", "path", "id", "groups", "checks"}, f"group has {sorted(g)}")
    need(re.fullmatch("[0-9a-f]{32}", g["id"]) and g["id"] not in ids, f"group id {g['id']}")
    ids.add(g["id"])
    need(isinstance(g["groups"], list) and isinstance(g["checks"], list), "groups and checks are lists")
    for c in g["checks"]:
        need(set(c) == {"name", "path", "id", "passes", "fails"}, f"check has {sorted(c)}")
        need(c["path"] == g["path"] + "::" + c["name"], f"path {c['path']}")
        need(c["id"] not in ids, "check id")
        ids.add(c["id"])
        need(c["passes"] + c["fails"] > 0, "a check that was never looked at")
    for inner in g["groups"]:
        need(inner["path"] == g["path"] + "::" + inner["name"], f"path {inner['path']}")
        group(inner, ids)


def metric(name, m, trend):
    need(set(m) - {"thresholds"} == {"type", "contains", "values"}, f"{name} has {sorted(m)}")
    need(m["contains"] in CONTAINS, f"{name} contains {m['contains']}")
    wanted = trend if m["type"] == "trend" else VALUES.get(m["type"])
    need(wanted and set(m["values"]) == wanted, f"{name}: values are {sorted(m['values'])}")
    need(all(number(v) for v in m["values"].values()), f"{name}: {m['values']}")
    for t in m.get("thresholds", {}).values():
        need(set(t) == {"ok"} and isinstance(t["ok"], bool), f"{name}: threshold {t}")


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        data = json.load(f)
    with open(sys.argv[2], encoding="utf-8") as f:
        result = json.load(f)
    need(set(data) == {"root_group", "options", "state", "metrics", "setup_data", "connector_tier"}, sorted(data))
    need(data["root_group"]["path"] == data["root_group"]["name"] == "", "the root has no name")
    group(data["root_group"], set())
    need(set(data["options"]) == {"summaryTrendStats", "summaryTimeUnit", "noColor"}, "options")
    need(set(data["state"]) == {"isStdOutTTY", "isStdErrTTY", "testRunDurationMs"}, "state")
    need(number(data["state"]["testRunDurationMs"]), "duration")
    for name, m in data["metrics"].items():
        metric(name, m, set(data["options"]["summaryTrendStats"]))

    steps = {s["name"]: s for p in result["phases"] for s in p["steps"]}
    need([g["name"] for g in data["root_group"]["groups"]] == [p["name"] for p in result["phases"]], "phases")
    for name, s in steps.items():
        for metric_name, m in s["metrics"].items():
            if "{" not in metric_name:
                got = data["metrics"][f"{metric_name}{{step:{name}}}"]
                need(got["values"] == m["values"], f"{name}: {metric_name}: {got['values']} {m['values']}")
    whole = sum(s["metrics"]["iterations"]["values"]["count"] for s in steps.values())
    need(data["metrics"]["iterations"]["values"]["count"] == whole, "iterations add up")
    placed = {(k, e): t["ok"] for k, m in data["metrics"].items() for e, t in m.get("thresholds", {}).items()}
    told = [f for p in result["phases"] for f in p["findings"] if f["kind"] == "threshold"]
    need(len(placed) == len(told), f"{len(placed)} thresholds of {len(told)}")
    for f in told:
        name, _, tags = f["metric"].partition("{")
        tags = "," + tags if tags else "}"
        need(placed[(f"{name}{{step:{f['step']}{tags}", f["expr"])] == (f["state"] == "pass"), f["name"])

    for name, t in data["connector_tier"].items():
        if t is None:
            continue
        need(set(t) == TIER and all(number(v) for v in t.values()), f"{name}: {t}")
        values = steps[name]["metrics"]["op_duration"]["values"]
        need([t["p50"], t["p95"], t["p99"], t["max"], t["avg"]] ==
             [values[k] for k in ("med", "p(95)", "p(99)", "max", "avg")], f"{name}: {t}")
        need(t["iterations"] == steps[name]["metrics"]["iterations"]["values"]["count"], name)
        need(t["error_rate"] == steps[name]["metrics"]["op_failed"]["values"]["rate"], name)
    print({k: v and v["iterations"] for k, v in data["connector_tier"].items()})
    if len(sys.argv) > 3:
        need(sorted(k for k, v in data["connector_tier"].items() if v) == sys.argv[3].split(","), "which connectors")


main()
