#!/usr/bin/python3
"""bench.py SHAKEDOWN - what the engine costs, and how true its numbers are.

Costs are CPU time (user and system, of the client alone) per operation, because that is what stays
comparable when the machine is busy; the peers run in turn with us against the same server.  Accuracy
is against the target's own stamps of the same run.  Nothing here passes or fails: it prints ratios,
with the values that they should reach.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).parent
SECONDS = float(os.environ.get("BENCH_SECONDS", "4"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
CONNECTIONS = 64


class Target:
    """The embedded target in a process of its own."""

    def __init__(self, program, folder, *options):
        port_file = folder / f"port-{time.monotonic_ns()}"
        self.process = subprocess.Popen(
            [program, "target", "--listen", "127.0.0.1:0", "--port-file", str(port_file), *options],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not (port_file.exists() and port_file.read_text().strip()):
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit("bench: the target did not start")
            time.sleep(0.01)
        self.address = f"127.0.0.1:{int(port_file.read_text().split()[0])}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def ask(self, path, method="GET"):
        request = urllib.request.Request(f"http://{self.address}{path}", method=method)
        with urllib.request.urlopen(request) as answer:
            return answer.read()

    def stats(self):
        return json.loads(self.ask("/stats"))


def cpu_of(command):
    """CPU seconds and output of one command."""
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        return usage.ru_utime + usage.ru_stime, output.read().decode(errors="replace"), child.returncode


class Bench:
    def __init__(self, program, folder):
        self.program = program
        self.folder = folder
        self.runs = 0

    def run(self, phase, **values):
        """CPU seconds of one load, and its step in result.json."""
        self.runs += 1
        out = self.folder / f"run-{self.runs}"
        sets = [arg for name, value in values.items() for arg in ("--set", f"{name}={value}")]
        cpu, text, code = cpu_of([self.program, "run", str(HERE / "bench.yaml"), "--only", phase,
                                  "--quiet", "--out", str(out), *sets])
        if code not in (0, 1) and not (out / "result.json").exists():
            sys.exit(f"bench: {phase} ended with {code}\n{text}")
        result = json.loads((out / "result.json").read_text())
        step = next(p for p in result["phases"] if p["name"] == phase)["steps"][0]
        return cpu, step, result["monitor"]


def median(values):
    return sorted(values)[len(values) // 2]


def engine(bench):
    print("engine, noop, CPU per operation")
    costs = []
    for _ in range(ROUNDS):
        cpu, step, _ = bench.run("closed", duration=f"{SECONDS}s")
        costs.append(cpu / step["sent"] * 1e9)
    print(f"  64 virtual users         {median(costs):8.1f} ns       (at most 150)")
    costs = []
    for _ in range(ROUNDS):
        cpu, step, monitor = bench.run("open", duration=f"{SECONDS}s", rate=200000)
        costs.append(cpu / step["sent"] * 1e9)
    print(f"  200,000 arrivals/s       {median(costs):8.1f} ns       (with the spin before each due time; "
          f"lag p99 {monitor['lag_p99_ms'] * 1000:.0f} us)")


def count_of(pattern, text):
    return sum(int(n) for n in re.findall(pattern, text))


def peers(url):
    """Name, command, and how its output says how many requests were answered."""
    seconds = f"{SECONDS:.0f}s"
    return [
        ("wrk", ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}", url], r"(\d+) requests in"),
        ("hey", ["hey", "-c", str(CONNECTIONS), "-z", seconds, url], r"\[200\]\s+(\d+) responses"),
    ]


def http_cost(bench, scheme, options):
    with Target(bench.program, bench.folder, *options) as target:
        url = f"{scheme}://{target.address}/"
        costs = {"shakedown": []}
        rates = {"shakedown": []}
        for _ in range(ROUNDS):
            cpu, step, _ = bench.run("keep-alive", url=url, connections=CONNECTIONS, duration=f"{SECONDS}s")
            costs["shakedown"].append(cpu / step["ok"] * 1e6 if step["ok"] else float("nan"))
            rates["shakedown"].append(step["ok"] / SECONDS)
            for name, command, pattern in peers(url):
                if shutil.which(name):
                    cpu, text, _ = cpu_of(command)
                    answered = count_of(pattern, text) or 1
                    costs.setdefault(name, []).append(cpu / answered * 1e6)
                    rates.setdefault(name, []).append(answered / SECONDS)
    ours = median(costs["shakedown"])
    print(f"{scheme} keep-alive, {CONNECTIONS} connections, CPU per request")
    for name, values in costs.items():
        goal = "  (at most 1.30)" if name == "wrk" else ""
        ratio = "" if name == "shakedown" else f"   ours / {name} = {ours / median(values):.2f}{goal}"
        print(f"  {name:10} {median(values):8.2f} us  {median(rates[name]):10.0f} requests/s{ratio}")


def compare(what, ours_ms, truth_ms):
    off = ours_ms - truth_ms
    print(f"  {what:6} {ours_ms:9.3f} ms   true {truth_ms:9.3f} ms   off {off * 1000:+8.0f} us  {off / truth_ms:+7.2%}")


def accuracy(bench):
    print("accuracy at 1,000 arrivals/s, against the target's own stamps (within 2% or 100 us)")
    with Target(bench.program, bench.folder, "--plain", "--latency", "mix(90% 2ms, 8% 10ms, 2% 50ms)") as target:
        url = f"http://{target.address}/"
        bench.run("arrivals", url=url, rate=200, duration="1s")
        target.ask("/stats/reset", "POST")
        _, step, _ = bench.run("arrivals", url=url, rate=1000, duration=f"{SECONDS}s")
        truth = target.stats()["service_ns"]
    values = step["metrics"]["op_duration"]["values"]
    compare("p50", values["med"], truth["p(50)"] / 1e6)
    compare("p99", values["p(99)"], truth["p(99)"] / 1e6)


def stall(bench):
    # One second in five nothing is answered: D - (1 - p) P + 2 L, as docs/measuring.md derives.  The
    # first stall begins 5 s after the target has; from then on any 20 s hold four of them, whole or
    # in parts.
    print("a stall of 1 s every 5 s, 200 arrivals/s, 7.5 ms latency (p90 within 2%)")
    with Target(bench.program, bench.folder, "--plain", "--latency", "7.5ms", "--stall", "1s every 5s") as target:
        _, step, _ = bench.run("arrivals", url=f"http://{target.address}/", rate=200,
                               duration="20s", start="5s")
    compare("p90", step["metrics"]["op_duration"]["values"]["p(90)"], 515.0)


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        bench = Bench(program, folder)
        engine(bench)
        http_cost(bench, "http", ["--plain"])
        http_cost(bench, "https", [])
        accuracy(bench)
        stall(bench)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


main()
