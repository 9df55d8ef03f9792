#!/usr/bin/python3
"""peers.py SHAKEDOWN FLOOR - side by side with other load generators, and with the truth.

Costs are CPU time of the client alone, user and system, per request: it is what stays comparable when the
machine is busy.  The server has one core and the client the other; ours and the peer's run in turn, and the
ratio is the median of the pairs' ratios.  Accuracy is against the server's own stamps of the same run and
against closed forms.  A peer that is not installed is left out by name.  Nothing here passes or fails.
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
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
ONLY = os.environ.get("BENCH_ONLY", "")
CLIENT_CORE, SERVER_CORE = 0, max(os.sched_getaffinity(0))


def pin(core):
    """Not where there is one core alone."""
    return (lambda: os.sched_setaffinity(0, {core})) if SERVER_CORE != CLIENT_CORE else None


class Target:
    """The embedded target, on the server's core."""

    def __init__(self, program, folder, *options):
        port_file = folder / f"port-{time.monotonic_ns()}"
        self.process = subprocess.Popen(
            [program, "target", "--listen", "127.0.0.1:0", "--port-file", str(port_file), "--quiet", *options],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=pin(SERVER_CORE))
        deadline = time.monotonic() + 10
        while not (port_file.exists() and port_file.read_text().strip()):
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit("peers: the target did not start")
            time.sleep(0.01)
        self.port = int(port_file.read_text().split()[0])
        self.address = f"127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def ask(self, path):
        with urllib.request.urlopen(f"http://{self.address}{path}") as answer:
            return json.loads(answer.read() or b"null") if path == "/stats" else answer.read()

    def reset(self):
        urllib.request.urlopen(urllib.request.Request(f"http://{self.address}/stats/reset", method="POST")).read()


def spend(command, env=None):
    """CPU seconds, peak memory in MB and output of one command on the client's core."""
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL,
                                 preexec_fn=pin(CLIENT_CORE), env={**os.environ, **(env or {})})
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output.read().decode(errors="replace")


class Ours:
    def __init__(self, program, folder):
        self.program, self.folder, self.runs = program, folder, 0

    def run(self, phase, **values):
        """CPU seconds, peak memory, the step of result.json and the monitor."""
        self.runs += 1
        out = self.folder / f"run-{self.runs}"
        sets = [arg for name, value in values.items() for arg in ("--set", f"{name}={value}")]
        cpu, memory, text = spend([self.program, "run", str(HERE / "peers.yaml"), "--only", phase, "--quiet",
                                   "--out", str(out), *sets])
        if not (out / "result.json").exists():
            sys.exit(f"peers: {phase} left no result\n{text}")
        result = json.loads((out / "result.json").read_text())
        shutil.rmtree(out)
        step = next(p for p in result["phases"] if p["name"] == phase)["steps"][0]
        return cpu, memory, step, result["monitor"]


def count_of(pattern, text):
    return sum(int(n) for n in re.findall(pattern, text))


def wrk(url, connections, seconds):
    return ["wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", url], r"(\d+) requests in"


def hey(url, connections, seconds, *more):
    return ["hey", *more, "-c", str(connections), "-z", f"{seconds:.0f}s", url], r"\[200\]\s+(\d+) responses"


def oha(url, connections, seconds):
    return ["oha", "--no-tui", "-c", str(connections), "-z", f"{seconds:.0f}s", url], r"\[200\] (\d+) responses"


def h2load(url, connections, streams, seconds):
    return (["h2load", f"-c{connections}", f"-m{streams}", f"-D{seconds:.0f}", url],
            r"(\d+) 2xx")


def median(values):
    return sorted(values)[len(values) // 2]


def missing(command):
    return None if pathlib.Path(command[0]).exists() or shutil.which(command[0]) else f"{command[0]} is not installed"


def row(what, ours, peer, theirs, goal, unit="us"):
    ratio = median([o / t for o, t in zip(ours, theirs)])
    print(f"| {what} | {median(ours):.2f} {unit} | {peer} {median(theirs):.2f} {unit} | {ratio:.2f} | {goal} |", flush=True)
    return ratio


def pairs(what, goal, mine, peer, command, pattern, env=None, least=100):
    """CPU per request of ours and of one peer, in turn; `least` answers make a run one."""
    absent = missing(command)
    if absent:
        print(f"| {what} | | {peer}: {absent} | | {goal} |")
        return
    ours, theirs = [], []
    for _ in range(ROUNDS):
        cpu, _, step, _ = mine()
        peer_cpu, _, text = spend(command, env)
        answered = count_of(pattern, text)
        if min(step["ok"], answered) >= least:
            ours.append(cpu / step["ok"] * 1e6)
            theirs.append(peer_cpu / answered * 1e6)
    if not ours:
        print(f"| {what} | | {peer}: too few answers to tell | | {goal} |", flush=True)
        return
    row(what, ours, peer, theirs, goal)


def keep_alive(bench, floor):
    for scheme, options in (("http", ["--plain"]), ("https", [])):
        with Target(bench.program, bench.folder, *options) as target:
            url = f"{scheme}://{target.address}/"
            for n in (64, 1000, 4096):
                seconds = SECONDS + n // 500  # connecting is not what this is about

                def mine():
                    return bench.run("keep", url=url, connections=n, duration=f"{seconds}s")
                pairs(f"{scheme} keep-alive, {n}", "<= 1", mine, "wrk", *wrk(url, n, seconds), least=20 * n)
                if n == 64:
                    pairs(f"{scheme} keep-alive, {n}", "", mine, "hey", *hey(url, n, SECONDS))
                    pairs(f"{scheme} keep-alive, {n}", "", mine, "oha", *oha(url, n, SECONDS))
                if scheme == "http":
                    pairs(f"{scheme} keep-alive, {n}", "<= 1.1", mine, "raw epoll",
                          [floor, "127.0.0.1", str(target.port), str(n), str(seconds)],
                          r"(\d+) answers", least=20 * n)


def multiplexed(bench):
    with Target(bench.program, bench.folder) as target:
        url = f"https://{target.address}/"
        for connections, streams in ((64, 1), (8, 32)):
            pairs(f"HTTP/2 over TLS, {connections} x {streams}", "<= 1",
                  lambda: bench.run("multiplexed", url=url, connections=connections * streams, streams=streams, protocol="h2",
                                    duration=f"{SECONDS}s"),
                  "h2load", *h2load(url, connections, streams, SECONDS))


def handshakes(bench):
    with Target(bench.program, bench.folder, "--close") as target:
        url = f"https://{target.address}/"
        # One thread for hey, which otherwise spends more on its scheduler than on handshakes.
        pairs("new TLS connection each, 64", "<= 1, stretch 0.77",
              lambda: bench.run("new", url=url, connections=64, duration=f"{SECONDS}s"), "hey",
              *hey(url, 64, SECONDS, "-disable-keepalive"), env={"GOMAXPROCS": "1"})


def memory(bench):
    with Target(bench.program, bench.folder) as target:
        url = f"https://{target.address}/"
        _, ours, _, _ = bench.run("keep", url=url, connections=4096, duration=f"{SECONDS}s")
        for peer, (command, _) in (("wrk", wrk(url, 4096, SECONDS)), ("h2load", h2load(url, 4096, 1, SECONDS)),
                                   ("hey", hey(url, 4096, SECONDS))):
            if missing(command):
                print(f"| memory, 4,096 TLS connections | {ours:.0f} MB | {missing(command)} | | <= 150 MB |")
            else:
                _, theirs, _ = spend(command)
                row("memory, 4,096 TLS connections", [ours], peer, [theirs], "<= 150 MB", "MB")


def pacing(bench):
    print("\n| open loop | lag p50 | p99 | dispersion in 1 ms | sent | goal |\n|---|---|---|---|---|---|")
    with Target(bench.program, bench.folder, "--plain") as target:
        for rate in (1000, 10000, 30000):
            found = []
            for _ in range(ROUNDS):
                bench.run("arrivals", url=f"http://{target.address}/", rate=200, duration="1s")
                target.reset()
                _, _, step, _ = bench.run("arrivals", url=f"http://{target.address}/", rate=rate, duration=f"{SECONDS}s")
                lag = step["metrics"]["schedule_lag"]["values"]
                found.append((lag["med"] * 1000, lag["p(99)"] * 1000, target.ask("/stats")["arrivals"]["dispersion_1ms"],
                              step["sent"] / (rate * SECONDS)))
            p50, p99, index, sent = (median([f[i] for f in found]) for i in range(4))
            print(f"| {rate:,}/s | {p50:.0f} us | {p99:.0f} us | {index:.2f} | {sent:.2%} | 40 us, 500 us, < 0.3, 100% |", flush=True)


def compare(what, ours_ms, truth_ms):
    off = ours_ms - truth_ms
    good = "yes" if abs(off) <= max(0.1, truth_ms * 0.02) else "no"
    print(f"| {what} | {ours_ms:.3f} ms | {truth_ms:.3f} ms | {off * 1000:+.0f} us, {off / truth_ms:+.2%} | {good} |", flush=True)


def accuracy(bench):
    print("\n| latency at 1,000/s | reported | the server's stamps | off | within 2% or 100 us |\n|---|---|---|---|---|")
    programs = {
        "constant 5 ms": ["--latency", "5ms"],
        "bimodal": ["--latency", "mix(90% 2ms, 10% 20ms)"],
        "heavy tail": ["--latency", "pareto(1ms,1.5)"],
    }
    for name, options in programs.items():
        with Target(bench.program, bench.folder, "--plain", *options) as target:
            url = f"http://{target.address}/"
            bench.run("arrivals", url=url, rate=200, duration="1s")
            target.reset()
            _, _, step, _ = bench.run("arrivals", url=url, rate=1000, duration=f"{max(SECONDS, 10)}s")
            ours, truth = step["metrics"]["op_duration"]["values"], target.ask("/stats")["service_ns"]
            for mine, theirs in (("med", "p(50)"), ("p(90)", "p(90)"), ("p(99)", "p(99)"), ("p(99.9)", "p(99.9)")):
                compare(f"{name}, {theirs}", ours[mine], truth[theirs] / 1e6)


def stall(bench):
    """Arrivals at a stall of D in every T wait for the rest of it: quantile p is D - (1 - p) T, the mean D^2 / 2T.

    The first stall begins 5 s after the target has; from then on any 20 s hold four, whole or in parts."""
    print("\n| stall of 1 s in 5 s, 1,000/s | reported | closed form | off | within 2% or 100 us |\n|---|---|---|---|---|")
    with Target(bench.program, bench.folder, "--plain", "--stall", "1s every 5s") as target:
        url = f"http://{target.address}/"
        _, _, step, _ = bench.run("arrivals", url=url, rate=1000, duration="20s", start="5s")
    ours = step["metrics"]["op_duration"]["values"]
    compare("mean", ours["avg"], 100)
    for name, p in (("p(90)", 0.9), ("p(99)", 0.99)):
        compare(name, ours[name], (1 - (1 - p) * 5) * 1000)


def main():
    program, floor = (str(pathlib.Path(p).resolve()) for p in sys.argv[1:3])
    folder = pathlib.Path(tempfile.mkdtemp(prefix="peers-"))
    parts = {
        "keep": lambda b: keep_alive(b, floor), "h2": multiplexed, "new": handshakes, "memory": memory, "pacing": pacing,
        "accuracy": accuracy, "stall": stall,
    }
    print(f"Client on core {CLIENT_CORE}, server on core {SERVER_CORE}; {ROUNDS} pairs of {SECONDS:g} s, medians.\n")
    print("| work | ours | peer | ours / peer | goal |\n|---|---|---|---|---|")
    try:
        bench = Ours(program, folder)
        for name, part in parts.items():
            if not ONLY or name in ONLY.split(","):
                part(bench)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
