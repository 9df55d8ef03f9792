#!/usr/bin/python3
"""fleet.py SHAKEDOWN [million] - what a fleet of agents costs, with the embedded ingest on the same machine.

Runner and server are two processes over TLS on loopback.  CPU is that of the runner alone.  The cost of a
beat is taken between two moments of a run in which all have registered, so registrations are not in it.
`million` is the row that takes six minutes; its ramp leaves the two cores room for the beats of those who are there.  The peer is a fleet of Google's gRPC in Python.
"""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
PEERS = HERE.parent / "peers"


class Server:
    def __init__(self, program, folder, *options):
        self.port, self.ca = folder / f"port-{time.monotonic_ns()}", folder / "ca.pem"
        self.process = subprocess.Popen([program, "target", "--ingest", "--listen", "127.0.0.1:0", "--port-file", str(self.port),
                                         "--ca-out", str(self.ca), "--quiet", *options],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not (self.port.exists() and self.port.read_text().strip()):
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit("bench: the ingest did not start")
            time.sleep(0.01)
        self.address = f"localhost:{self.port.read_text().split()[0]}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def rss(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
        return 0


class Bench:
    def __init__(self, program, folder):
        self.program, self.folder, self.runs = program, folder, 0
        os.environ["BENCH_TOKEN"] = "bench-enrolment-token"

    def run(self, server, **values):
        """The step in result.json, CPU seconds and peak MiB of the runner."""
        self.runs += 1
        out = self.folder / f"run-{self.runs}"
        sets = [a for k, v in dict(values, address=server.address, ca=server.ca).items() for a in ("--set", f"{k}={v}")]
        with tempfile.TemporaryFile() as output:
            child = subprocess.Popen([self.program, "run", str(HERE / "fleet.yaml"), "--quiet", "--out", str(out), *sets],
                                     stdout=output, stderr=output, stdin=subprocess.DEVNULL)
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            output.seek(0)
            text = output.read().decode(errors="replace")
        if not (out / "result.json").exists():
            sys.exit("bench: " + text)
        step = json.loads((out / "result.json").read_text())["phases"][0]["steps"][0]
        return step, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024

    def registrations(self, name, goal, agents, csr, *options):
        with Server(self.program, self.folder, *options) as s:
            step, _, _ = self.run(s, agents=agents, csr=csr, ramp="1ms", duration="12s", interval="60s")
        rate, seconds = rate_of(self.folder / f"run-{self.runs}", "registrations_active")
        print(f"registrations, {name}: {rate:,.0f}/s over {seconds} s, {value(step['metrics'], 'registrations_active'):,.0f} of "
              f"{agents:,}  (at least {goal:,})")

    def beats(self):
        """50,000 agents that beat every 1.5 s, once all have registered: CPU between moments of one run."""
        floors = [self.floor()]
        with Server(self.program, self.folder, "--ingest-jwt", "HS256", "--ingest-generation", "tls") as s:
            out = self.folder / "beats"
            sets = [f"address={s.address}", f"ca={s.ca}", "agents=50000", "interval=1500ms", "ramp=5s", "duration=26s"]
            child = subprocess.Popen([self.program, "run", str(HERE / "fleet.yaml"), "--quiet", "--out", str(out),
                                      *(a for x in sets for a in ("--set", x))], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(11)
            spent = [cpu_of(child.pid)]
            for _ in range(4):
                time.sleep(3)
                spent.append(cpu_of(child.pid))
            child.wait()
        floors.append(self.floor())
        rate, _ = rate_of(out, "beats_answered")
        each = sorted((b - a) / (3 * rate) * 1e6 for a, b in zip(spent, spent[1:]))
        cost, floor = statistics.median(each), statistics.median(floors)
        print(f"CPU of a beat, TLS, 50 agents a connection: {cost:.1f} us at {rate:,.0f} beats/s, {each[0]:.1f} to {each[-1]:.1f} over 3 s each  "
              f"(at most 18); {cost / floor:.2f} of a bare send and receive before and after, {floor:.1f} us")

    def floor(self):
        r = subprocess.run([str(pathlib.Path(self.program).parent / "beat_floor"), "1000", "33333", "3"], capture_output=True, text=True, check=True)
        return float(r.stdout.split()[0])

    def sized(self, name, agents, memory, **values):
        with Server(self.program, self.folder, "--ingest-jwt", "HS256", "--ingest-generation", "tls") as s:
            step, cpu, peak = self.run(s, agents=agents, **values)
            server = s.rss()
        m = step["metrics"]
        due, late = value(m, "beats_due"), value(m, "beats_late")
        rtt = m.get("beat_rtt", {}).get("values", {})
        print(f"{name}: {value(m, 'registrations_active'):,.0f} registered, {value(m, 'streams_up'):,.0f} streams up, {due:,.0f} beats due, "
              f"{value(m, 'beats_answered'):,.0f} answered, {value(m, 'missed_beats'):,.0f} missed, {late:,.0f} later than 1 s "
              f"({late / max(1, due):.3%}); runner {peak:,.0f} MiB  (at most {memory}), server {server:,.0f} MiB; "
              f"beat_rtt p50 {rtt.get('med', 0):.2f} ms p99 {rtt.get('p(99)', 0):.1f} ms; CPU {cpu:.0f} s")
        return peak


def cpu_of(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def value(metrics, name):
    v = metrics.get(name, {}).get("values", {})
    return v.get("count", v.get("value", 0))


def rate_of(folder, metric):
    """A counter's median growth in the seconds at more than half of the best one's: begin and end left out."""
    series = json.loads((folder / "series.json").read_text())
    cells = [c for c in series["steps"][0]["cells"] if c["metric"] == metric]
    seconds = [0.0] * 1000
    for cell in cells:
        for at, one in enumerate(cell["slices"]):
            seconds[at] += one[-1] if isinstance(one, list) and one else 0
    full = [n for n in seconds if n > 0.5 * max(seconds)]
    return statistics.median(full), len(full)


def peer(program, folder):
    with Server(program, folder, "--ingest-generation", "tls") as s:
        r = subprocess.run([sys.executable, str(PEERS / "ingest_client.py"), "load", s.address, "--ca", str(s.ca), "--token", "any",
                            "--agents", "100", "--seconds", "5", "--no-csr"], capture_output=True, text=True)
    try:
        them = json.loads(r.stdout)
    except ValueError:
        print("peer: Google's gRPC in Python is not there")
        return
    print(f"peer, Google's gRPC in Python: {them['registrations_per_s']:,.0f} registrations/s, {them['beats_per_s']:,.0f} beats/s at most, "
          f"CPU of a beat {them['cpu_us_per_beat']:.0f} us")


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory(prefix="bench-fleet-") as name:
        b = Bench(program, pathlib.Path(name))
        if "million" in sys.argv[2:]:
            b.sized("1,000,000 agents, 30 s beats", 1000000, "1,200", interval="30s", ramp="240s", duration="330s", fan_out=500)
            return
        only = sys.argv[2:]
        if not only or "peer" in only:
            peer(program, b.folder)
        if not only or "registrations" in only:
            b.registrations("CSR and RS256 token", 2500, 20000, "true")
            b.registrations("neither", 10000, 60000, "false", "--ingest-jwt", "HS256", "--ingest-generation", "tls")
        if not only or "beats" in only:
            b.beats()
        if not only or "sized" in only:
            small = b.sized("1,000 agents, 30 s beats", 1000, "-", interval="30s", ramp="2s", duration="8s")
            peak = b.sized("100,000 agents, 30 s beats", 100000, "150", interval="30s", ramp="20s", duration="85s")
            print(f"memory of an agent, 50 a connection, TLS: {(peak - small) / 99000 * 1024 * 1024:,.0f} B  (at most 1,126)")


main()
