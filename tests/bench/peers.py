#!/usr/bin/python3
"""peers.py SHAKEDOWN FLOOR PEERS - side by side with other load generators, and with the truth.

Costs are CPU time of the client alone, user and system, per request: it is what stays comparable when the
machine is busy.  The server has one core and the client the other; in each round ours and each peer's run
take turns, and the ratio is the median of the rounds' ratios.  Accuracy is against the server's own stamps of
the same run and against closed forms.  A peer that is neither installed nor in PEERS/bin (ci/peers.sh) is left
out by name.  Nothing here passes or fails.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

HERE = pathlib.Path(__file__).parent
SECONDS = float(os.environ.get("BENCH_SECONDS", "4"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
ONLY = os.environ.get("BENCH_ONLY", "")
CLIENT_CORE, SERVER_CORE = 0, max(os.sched_getaffinity(0))


def may_be_urgent():
    """That is for root, or CAP_SYS_NICE."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    except PermissionError:
        return False
    return True


class Urgent:
    """While it is entered, whatever is started goes before other work on its core, where that is allowed: what is
    asked here is how exact a program is, and not what else the machine has to do.  All get the same: SCHED_FIFO."""
    allowed = may_be_urgent()
    now = False

    def __enter__(self):
        Urgent.now = self.allowed

    def __exit__(self, *_):
        Urgent.now = False


def pin(core):
    """To a core, where there are two."""
    urgent = Urgent.now

    def prepare():
        if SERVER_CORE != CLIENT_CORE:
            os.sched_setaffinity(0, {core})
        if urgent:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    return prepare


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
        end = threading.Timer(10 * SECONDS + 60, child.kill)  # h2load may wait for ever
        end.start()
        _, status, usage = os.wait4(child.pid, 0)
        end.cancel()
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output.read().decode(errors="replace")


class Ours:
    def __init__(self, program, floor, folder):
        self.program, self.floor, self.folder, self.runs = program, floor, folder, 0

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


def found(pattern):
    return lambda text: sum(int(n) for n in re.findall(pattern, text))


class Peer:
    """One run of another generator: its command, how many answers it says it has had, and its environment."""

    def __init__(self, name, command, count, env=None):
        self.name, self.command, self.count, self.env = name, command, count, env

    def absent(self):
        here = shutil.which(self.command[0])
        return None if here else f"{self.name}: not installed"


def wrk(_, url, n, seconds):
    return Peer("wrk", ["wrk", "-t1", f"-c{n}", f"-d{seconds:.0f}s", url], found(r"(\d+) requests in"))


def hey(_, url, n, seconds, *more):
    # One thread, as ours: otherwise it spends more on its scheduler than on requests.
    return Peer("hey", ["hey", *more, "-c", str(n), "-z", f"{seconds:.0f}s", url], found(r"\[200\]\s+(\d+) responses"),
                {"GOMAXPROCS": "1"})


def oha(_, url, n, seconds, *more):
    return Peer("oha", ["oha", "--no-tui", "--insecure", *more, "-c", str(n), "-z", f"{seconds:.0f}s", url],
                found(r"\[200\] (\d+) responses"))


def h2load(_, url, n, seconds, streams=1):
    return Peer("h2load", ["h2load", f"-c{n}", f"-m{streams}", f"-D{seconds:.0f}", url], found(r"(\d+) 2xx"))


def k6(folder, url, n, seconds, fresh="false"):
    script = folder / "k6.js"
    script.write_text("import http from 'k6/http';\n"
                      f"export const options = {{vus: {n}, duration: '{seconds:.0f}s', insecureSkipTLSVerify: true, "
                      f"discardResponseBodies: true, noConnectionReuse: {fresh}}};\n"
                      f"export default function () {{ http.get('{url}'); }}\n")
    return Peer("k6", ["k6", "run", "--quiet", "--no-usage-report", str(script)], found(r"http_reqs\.*: (\d+)"),
                {"GOMAXPROCS": "1"})


def vegeta(folder, url, n, seconds, *more):
    targets, results = folder / "vegeta.txt", folder / "vegeta.bin"
    targets.write_text(f"GET {url}\n")

    def count(_):
        report = subprocess.run(["vegeta", "report", "-type=json", str(results)], capture_output=True, check=False)
        results.unlink(missing_ok=True)
        return json.loads(report.stdout or b"{}").get("status_codes", {}).get("200", 0)
    return Peer("vegeta", ["vegeta", "attack", "-insecure", "-rate=0", f"-max-workers={n}", f"-duration={seconds:.0f}s", *more,
                           f"-targets={targets}", f"-output={results}"], count, {"GOMAXPROCS": "1"})


def raw_epoll(floor, target, n, seconds):
    return Peer("raw epoll", [floor, "127.0.0.1", str(target.port), str(n), str(seconds)], found(r"(\d+) answers"))


def median(values):
    return sorted(values)[len(values) // 2]


def row(what, ours, peer, theirs, goal, unit="us"):
    ratio = median([o / t for o, t in zip(ours, theirs)])
    print(f"| {what} | {median(ours):.2f} {unit} | {peer} {median(theirs):.2f} {unit} | {ratio:.2f} | {goal} |", flush=True)


def rounds(what, mine, peers, least=100):
    """CPU per request: in each round ours and then each peer; `peers` have their goals, `least` answers make a run one."""
    runs = {peer.name: [] for peer, _ in peers if not peer.absent()}
    for _ in range(ROUNDS):
        cpu, _, step, _ = mine()
        for peer, _ in peers:
            if peer.name not in runs:
                continue
            spent, _, text = spend(peer.command, peer.env)
            answered = peer.count(text)
            if min(step["ok"], answered) >= least:
                runs[peer.name].append((cpu / step["ok"] * 1e6, spent / answered * 1e6))
    for peer, goal in peers:
        pairs = runs.get(peer.name)
        if pairs:
            row(what, [o for o, _ in pairs], peer.name, [t for _, t in pairs], goal)
        else:
            print(f"| {what} | | {peer.absent() or peer.name + ': too few answers to tell'} | | {goal} |", flush=True)


def keep_alive(scheme, n):
    def part(bench):
        with Target(bench.program, bench.folder, *(["--plain"] if scheme == "http" else [])) as target:
            url, seconds = f"{scheme}://{target.address}/", SECONDS + n // 2000  # connecting is not what this is about
            peers = [(wrk(None, url, n, seconds), "<= 1")]
            if scheme == "http":
                peers.append((raw_epoll(bench.floor, target, n, seconds), "<= 1.1"))
            if n == 64:
                peers += [(make(bench.folder, url, n, seconds), "") for make in (hey, vegeta, oha, k6)]
            rounds(f"{scheme} keep-alive, {n:,}", lambda: bench.run("keep", url=url, connections=n, duration=f"{seconds}s"),
                   peers, 5 * n)
    return part


def multiplexed(connections, streams):
    def part(bench):
        with Target(bench.program, bench.folder) as target:
            url = f"https://{target.address}/"
            rounds(f"HTTP/2 over TLS, {connections} x {streams}",
                   lambda: bench.run("multiplexed", url=url, connections=connections * streams, streams=streams,
                                     protocol="h2", duration=f"{SECONDS}s"),
                   [(h2load(None, url, connections, SECONDS, streams), "<= 1")])
    return part


def handshakes(bench):
    with Target(bench.program, bench.folder, "--close") as target:
        url = f"https://{target.address}/"
        rounds("new TLS connection each, 64", lambda: bench.run("new", url=url, connections=64, duration=f"{SECONDS}s"), [
            (hey(None, url, 64, SECONDS, "-disable-keepalive"), "<= 1, stretch 0.77"),
            (vegeta(bench.folder, url, 64, SECONDS, "-keepalive=false"), ""),
            (oha(None, url, 64, SECONDS, "--disable-keepalive"), ""),
            (k6(bench.folder, url, 64, SECONDS, "true"), "")])


def memory(bench):
    seconds = max(SECONDS, 8)  # the server needs half of that for so many handshakes
    with Target(bench.program, bench.folder) as target:
        url = f"https://{target.address}/"
        _, ours, _, _ = bench.run("keep", url=url, connections=4096, duration=f"{seconds}s")
        for peer in (wrk(None, url, 4096, seconds), h2load(None, url, 4096, seconds), hey(None, url, 4096, seconds)):
            if peer.absent():
                print(f"| memory, 4,096 TLS connections | {ours:.0f} MB | {peer.absent()} | | <= 150 MB |")
            else:
                row("memory, 4,096 TLS connections", [ours], peer.name, [spend(peer.command)[1]], "<= 150 MB", "MB")


def paced_peers(url, rate):
    """Others that are asked for the same rate; their lag is not theirs to tell."""
    each = rate // 50
    return (Peer("h2load", ["h2load", "--h1", "-c50", f"--rps={each}", f"-D{SECONDS:.0f}", url], None),
            Peer("hey", ["hey", "-c", "50", "-q", str(each), "-z", f"{SECONDS:.0f}s", url], None),
            Peer("vegeta", ["sh", "-c", f"echo GET {url} | vegeta attack -rate={rate} -duration={SECONDS:.0f}s >/dev/null"], None),
            Peer("oha", ["oha", "--no-tui", "-c", "50", "-q", str(rate), "-z", f"{SECONDS:.0f}s", url], None))


def bare_thread(bench, rate):
    """How late a thread is that does nothing but look at the clock: p50, p99, p99.9 in us."""
    text = spend([bench.floor, str(rate), str(SECONDS)])[2]
    return [float(n) for n in re.findall(r"p[\d.]+ (\d+) us", text)]


def pacing(bench):
    print("\n| open loop | lag p50 | p99 | dispersion in 1 ms | sent | goal |\n|---|---|---|---|---|---|")
    with Target(bench.program, bench.folder, "--plain") as target:
        url = f"http://{target.address}/"
        bench.run("arrivals", url=url, rate=200, duration="1s")
        for rate in (1000, 10000, 30000):
            seen, bare = [], []
            for _ in range(ROUNDS):
                bare.append(bare_thread(bench, rate))
                target.reset()
                _, _, step, _ = bench.run("arrivals", url=url, rate=rate, duration=f"{SECONDS}s")
                lag = step["metrics"]["schedule_lag"]["values"]
                seen.append((lag["med"] * 1000, lag["p(99)"] * 1000, target.ask("/stats")["arrivals"]["dispersion_1ms"],
                             step["sent"] / (rate * SECONDS)))
            p50, p99, index, sent = (median([f[i] for f in seen]) for i in range(4))
            print(f"| {rate:,}/s | {p50:.0f} us | {p99:.0f} us | {index:.2f} | {sent:.2%} | 40 us, 500 us, < 0.3, 100% |")
            p50, p99 = (median([f[i] for f in bare]) for i in range(2))
            print(f"| {rate:,}/s, a bare thread | {p50:.0f} us | {p99:.0f} us | | | |", flush=True)
            for peer in paced_peers(url, rate) if rate == 10000 else ():
                if not shutil.which(peer.name):
                    continue
                target.reset()
                spend(peer.command)
                stats = target.ask("/stats")
                print(f"| {rate:,}/s, {peer.name} | | | {stats['arrivals']['dispersion_1ms']:.1f} | "
                      f"{stats['requests'] / (rate * SECONDS):.2%} | |", flush=True)


def compare(ours_ms, truth_ms, share, least_ms):
    off = ours_ms - truth_ms
    good = "yes" if abs(off) <= max(least_ms, truth_ms * share) else "no"
    return f"{ours_ms:.3f} ms | {off * 1000:+.0f} us, {off / truth_ms:+.2%} | {good} |"


def accuracy(bench):
    """An answer's time, as both sides have it, and counted from the due time: then our own lag is in it."""
    print("\n| latency at 1,000/s | the server's stamps | http_req_duration | off | within 2% or 100 us | op_duration | off | within | schedule_lag |\n"
          "|---|---|---|---|---|---|---|---|---|")
    programs = {
        "constant 5 ms": ["--latency", "5ms"],
        "bimodal": ["--latency", "mix(85% 2ms, 15% 20ms)"],
        "heavy tail": ["--latency", "pareto(1ms,1.5)"],
        "stall of 1 s in 5 s": ["--stall", "1s every 5s"],
    }
    for name, options in programs.items():
        with Target(bench.program, bench.folder, "--plain", *options) as target:
            url = f"http://{target.address}/"
            bench.run("arrivals", url=url, rate=200, duration="1s")
            target.reset()
            _, _, step, _ = bench.run("arrivals", url=url, rate=1000, duration=f"{max(SECONDS, 10)}s")
            stamps = target.ask("/stats")["service_ns"]
            whole, request, lag = (step["metrics"][m]["values"] for m in ("op_duration", "http_req_duration", "schedule_lag"))
            for mine, theirs in (("med", "p(50)"), ("p(90)", "p(90)"), ("p(99)", "p(99)"), ("p(99.9)", "p(99.9)")):
                truth = stamps[theirs] / 1e6
                print(f"| {name}, {theirs} | {truth:.3f} ms | {compare(request[mine], truth, 0.02, 0.1)} "
                      f"{compare(whole[mine], truth, 0.02, 0.1)} {lag[mine]:.3f} ms |", flush=True)


def stall(bench):
    """Arrivals at a stall of D in every T wait for the rest of it; the server takes up the queue in its order, the
    last of it `drain` after the stall's end.  Quantile p is D - (1 - p) T (1 - drain / D), the mean D^2 / 2T and
    what answers were late by.

    The first stall begins 5 s after the target has; from then on any 20 s hold four, whole or in parts."""
    length, period = 1000, 5000  # ms
    print("\n| stall of 1 s in 5 s, 1,000/s | closed form | op_duration | off | within 1% |\n|---|---|---|---|---|")
    with Target(bench.program, bench.folder, "--plain", "--stall", "1s every 5s") as target:
        url = f"http://{target.address}/"
        _, _, step, _ = bench.run("arrivals", url=url, rate=1000, duration="20s", start="5s")
        late = target.ask("/stats")["late_ns"]["avg"] / 1e6
    ours, own = step["metrics"]["op_duration"]["values"], late * 2 * period / length
    for what, drain in (("a queue gone in no time", 0), (f"the server's own {own:.1f} ms for the queue", own)):
        truths = [("mean", "avg", (length + drain) * length / 2 / period)]
        truths += [(f"p({p})", f"p({p})", length - (1 - p / 100) * period * (1 - drain / length)) for p in (90, 99)]
        for name, mine, truth in truths:
            print(f"| {name}, {what} | {truth:.3f} ms | {compare(ours[mine], truth, 0.01, 0)}", flush=True)


def timely(part):
    def run(bench):
        with Urgent():
            part(bench)
    return run


PARTS = {
    **{f"{scheme}-{n}": keep_alive(scheme, n) for scheme in ("http", "https") for n in (64, 1000, 4096)},
    "h2-64": multiplexed(64, 1), "h2-8x32": multiplexed(8, 32), "new": handshakes, "memory": memory,
    "pacing": timely(pacing), "accuracy": timely(accuracy), "stall": timely(stall),
}


def main():
    program, floor = (str(pathlib.Path(p).resolve()) for p in sys.argv[1:3])
    os.environ["PATH"] += os.pathsep + str(pathlib.Path(sys.argv[3]).resolve() / "bin")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="peers-"))
    print(f"Client on core {CLIENT_CORE}, server on core {SERVER_CORE}; {ROUNDS} pairs of {SECONDS:g} s, medians.")
    print(f"Pacing, accuracy and stall {'with' if Urgent.allowed else 'without'} real-time priority for all.\n")
    print("| work | ours | peer | ours / peer | goal |\n|---|---|---|---|---|")
    try:
        bench = Ours(program, floor, folder)
        for name, part in PARTS.items():
            if not ONLY or any(name == o or name.startswith(o + "-") for o in ONLY.split(",")):
                part(bench)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
