#!/usr/bin/env python3
"""peek.py OUT LOG - the bound and the time-outs that suites/edge-peek.yaml found are those that the proxy
itself has seen (tests/fixtures/peek.py): the bound within 1, the times within 100 ms."""
import json
import statistics
import sys

with open(f"{sys.argv[1]}/result.json", encoding="utf-8") as f:
    steps = {s["name"]: s["metrics"] for p in json.load(f)["phases"] for s in p["steps"]}
with open(sys.argv[2], encoding="utf-8") as f:
    proxy = json.loads(f.read().splitlines()[-1])

for step, kind in ("silence", "silent"), ("drip", "dripping"):
    bound = steps[step]["connections_peak"]["values"]["max"]
    ours, theirs = steps[step]["evicted_after"]["values"]["med"], statistics.median(proxy[kind]) * 1000
    print(f"{step}: bound {bound}, {ours:.1f} ms; the proxy has {proxy['most']}, {theirs:.1f} ms")
    assert abs(bound - proxy["most"]) <= 1, "the bound"
    assert abs(ours - theirs) <= 100, "the time-out"
