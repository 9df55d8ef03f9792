#!/usr/bin/python3
"""acme.py SHAKEDOWN - signed orders per second, and where their time goes.

Against pebble, the ACME world's test server, as it comes: strict, with its 5% of rejected nonces; only its
sleeps are off.  Beside it against the embedded target, which shows what the client side could do.  An
order is new-order, authorization, challenge, finalize and download, seven or more signed requests.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
SECONDS = os.environ.get("BENCH_SECONDS", "4")
VUS = os.environ.get("BENCH_VUS", "8")
PARTS = ["new-order", "authorizations", "challenges", "finalize", "download"]
BETWEEN = [("the server and the way to it", "http_req_duration"), ("pauses between looks", "poll_waiting"),
           ("signing", "jws_signing"), ("keys and CSRs", "key_making")]


def measure(program, folder, phase):
    out = pathlib.Path(folder) / phase
    done = subprocess.run([program, "run", str(HERE / "acme.yaml"), "--quiet", "--out", str(out), "--only", phase,
                           "--set", f"time={SECONDS}s", "--set", f"vus={VUS}"], capture_output=True, text=True)
    if done.returncode not in (0, 1):
        sys.exit(f"bench: {done.stdout}{done.stderr}")
    return json.loads((out / "result.json").read_text())


def total(metrics, name):
    v = metrics.get(name, {"values": {"count": 0, "avg": 0}})["values"]
    return v["count"] * v["avg"]


def show(result, name):
    phase = next(p for p in result["phases"] if p["name"] == name)
    m = phase["steps"][0]["metrics"]
    orders, duration = m["certificates"]["values"]["count"], m["op_duration"]["values"]
    whole = total(m, "op_duration")
    print(f"  {phase['name']:<8} {m['certificates']['values']['rate']:8.1f} orders/s   "
          f"p50 {duration['med']:.1f} ms   p95 {duration['p(95)']:.1f} ms   "
          f"{m['http_reqs']['values']['count'] / orders:.1f} requests each, "
          f"{1000 * result['monitor']['cpu_seconds'] / orders:.2f} ms of our CPU, "
          f"{m.get('bad_nonces', {'values': {'count': 0}})['values']['count'] / orders:.2f} nonces rejected")
    for part in PARTS:
        spent = total(m, f"part_duration{{part:{part}}}")
        print(f"    {part:<30} {spent / orders:7.2f} ms  {100 * spent / whole:5.1f}%")
    known = 0
    for label, metric in BETWEEN:
        spent = total(m, metric)
        known += spent
        print(f"      {label:<28} {spent / orders:7.2f} ms  {100 * spent / whole:5.1f}%")
    print(f"      {'the rest: our own loop':<28} {(whole - known) / orders:7.2f} ms  {100 * (whole - known) / whole:5.1f}%")


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    print(f"signed ACME orders, {VUS} side by side, time of one order by part and by kind")
    with tempfile.TemporaryDirectory(prefix="bench-acme-") as folder:
        for phase in ("pebble", "own"):
            show(measure(program, folder, phase), phase)


main()
