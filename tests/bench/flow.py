#!/usr/bin/python3
"""flow.py SHAKEDOWN - CPU per request of the flow driver, beside http and hey.

One part of a flow, one request of http, one of hey: the same number of the same GET, by four workers on
four kept connections of the embedded target, as fast as it answers.  CPU is user and system time of the
client process alone, of ours less what a run costs that sends next to nothing.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
REQUESTS, WORKERS = 40000, 4
REQUEST = "{target: web, path: /x}"
SUITE = """
suite: flow-bench
vars: {{requests: {{default: {requests}, help: in all}}}}
targets: {{web: {{url: "{url}"}}}}
phases:
  - name: load
    {driver}: {options}
    load: {{executor: shared-iterations, vus: {workers}, iterations: "${{requests}}"}}
    thresholds: {{op_failed: rate<1%}}
"""


def cpu_of(command):
    """User and system seconds of one process."""
    pid = os.posix_spawn(command[0], command, os.environ,
                         file_actions=[(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0),
                                       (os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0)])
    _, status, usage = os.wait4(pid, 0)
    if status:
        sys.exit(f"bench: {command[0]} ended with {os.waitstatus_to_exitcode(status)}")
    return usage.ru_utime + usage.ru_stime


def ours(program, suite, folder, number):
    out = folder / f"{suite.stem}-{number}"
    used = cpu_of([program, "run", str(suite), "--quiet", "--out", str(out)])
    step = json.loads((out / "result.json").read_text())["phases"][0]["steps"][0]
    idle = cpu_of([program, "run", str(suite), "--quiet", "--set", f"requests={WORKERS}", "--out", str(out) + "-idle"])
    return (used - idle) / (step["ok"] - WORKERS)


def median(values):
    return sorted(values)[len(values) // 2]


def compare(program, folder, url):
    kinds = {"http": REQUEST, "flow": f"{{parts: [{{name: one, http: {REQUEST}}}]}}"}
    costs = {name: [] for name in (*kinds, "hey")}
    hey = shutil.which("hey")
    for name, options in kinds.items():
        (folder / f"{name}.yaml").write_text(
            SUITE.format(url=url, driver=name, options=options, requests=REQUESTS, workers=WORKERS))
    for number in range(ROUNDS):
        for name in kinds:
            costs[name].append(ours(program, folder / f"{name}.yaml", folder, number))
        if hey:
            costs["hey"].append(cpu_of([hey, "-n", str(REQUESTS), "-c", str(WORKERS), f"{url}x"]) / REQUESTS)
    print(f"flow, {WORKERS} kept connections as fast as they go, CPU of the client for each request")
    cost = {name: median(v) * 1e6 for name, v in costs.items() if v}
    for name, us in cost.items():
        ratio = "" if name == "flow" else f"   flow / {name} = {cost['flow'] / us:.2f}"
        print(f"  {name:5} {us:6.1f} us{ratio}")


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-flow-"))
    port = folder / "port"
    server = subprocess.Popen([program, "target", "--plain", "--quiet", "--port-file", str(port)],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while not port.exists() or not port.read_text().strip():
            if time.monotonic() > deadline:
                sys.exit("bench: the target did not start")
            time.sleep(0.05)
        compare(program, folder, f"http://127.0.0.1:{port.read_text().split()[0]}/")
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


main()
