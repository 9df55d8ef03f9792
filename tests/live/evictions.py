#!/usr/bin/env python3
"""evictions.py OUT LOG - the run's evictions and the server's own log of them say the same.

nginx logs a connection that it ended because its request was not whole in time as status 408, with
how long it had waited.  Both lists are put in order and held against each other: how many there were, and how
long they had been held, from the first to the last, within 200 ms.
"""
import json
import sys

LIMIT = 200  # ms

with open(f"{sys.argv[1]}/result.json", encoding="utf-8") as f:
    step = next(s for s in json.load(f)["phases"][0]["steps"] if s["name"] == "loris")
with open(sys.argv[2], encoding="utf-8") as f:
    log = [line.split() for line in f]
theirs = sorted(float(line[1]) * 1000 for line in log if len(line) == 3 and line[0] == "408")
ours = step["metrics"]["evicted_after"]["values"]

print(f"ours {ours}; nginx {len(theirs)}: {theirs[0]:.0f} to {theirs[-1]:.0f} ms")
assert ours["count"] == step["metrics"]["connections_evicted"]["values"]["count"] == len(theirs), "evictions"
assert sum(step["pressure"]["evicted"]) == len(theirs), "evictions by second"
for name, q in {"min": 0, "med": 0.5, "p(90)": 0.9, "p(95)": 0.95, "p(99)": 0.99, "max": 1}.items():
    a, b = ours[name], theirs[round(q * (len(theirs) - 1))]
    assert abs(a - b) < LIMIT, f"{name}: {a} ms, nginx has {b} ms"
assert ours["min"] > 5000 - LIMIT, "its time-out is 5 s"
