#!/usr/bin/env python3
"""evictions.py OUT LOG - the run's evictions and the server's own log of them say the same.

nginx logs a connection that it ended because its request was not whole in time as status 408, with
how long it had waited.
"""
import json
import statistics
import sys

with open(f"{sys.argv[1]}/result.json") as f:
    step = next(s for s in json.load(f)["phases"][0]["steps"] if s["name"] == "loris")
with open(sys.argv[2]) as f:
    log = [line.split() for line in f]
theirs = [float(line[1]) * 1000 for line in log if len(line) == 3 and line[0] == "408"]
ours = step["metrics"]["evicted_after"]["values"]

print(f"ours {ours['count']}, median {ours['med']:.1f} ms; nginx {len(theirs)}, "
      f"{statistics.median(theirs):.1f} ms")
assert ours["count"] == step["metrics"]["connections_evicted"]["values"]["count"]
assert ours["count"] == len(theirs), "evictions"
assert abs(ours["med"] - statistics.median(theirs)) < 200, "how long they were held"
