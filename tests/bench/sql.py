#!/usr/bin/python3
"""sql.py SHAKEDOWN - how long the sql driver takes for the seeds, against psql running the same files.

Both fill the same empty tables of a throw-away Postgres, in turn; psql in one transaction for each
file, as the driver does.  Wall time of the files alone: psql's is that of a process that also connects,
ours is what the step took, connecting included.
"""
import getpass
import glob
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).parents[2]
SEED = ROOT / "fixtures" / "seed"
FILES = ["01_certificates.sql", "02_agents.sql"]
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
SUITE = """
suite: seed
vars: {{url: {{default: "{url}", help: the database}}}}
targets: {{db: {{url: "${{url}}"}}}}
phases:
  - name: empty
    sql: {{target: db, reset: [drop schema public cascade, create schema public], files: {seed}/schema.sql}}
  - name: seed
    sql: {{target: db, files: ["{seed}/0*.sql"], params: {{now: "%{{unix_ms}}"}}}}
"""


def quiet(command, **options):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)


def ours(program, folder, number):
    out = folder / f"run-{number}"
    quiet([program, "run", str(folder / "seed.yaml"), "--quiet", "--out", str(out)])
    result = json.loads((out / "result.json").read_text())
    phase = next(p for p in result["phases"] if p["name"] == "seed")
    return phase["steps"][0]["metrics"]["op_duration"]["values"]["max"] / 1000


def theirs(psql, url):
    quiet([psql, url, "-c", "delete from managed_certificates", "-c", "delete from agents"])
    begin = time.monotonic()
    for name in FILES:
        quiet([psql, url, "-1", "-v", "ON_ERROR_STOP=1", "-v", f"now={int(time.time() * 1000)}", "-f",
               str(SEED / name)])
    return time.monotonic() - begin


def compare(program, folder, port, binaries):
    url = f"postgres://bench@127.0.0.1:{port}/postgres"
    (folder / "seed.yaml").write_text(SUITE.format(url=url, seed=SEED))
    times = {"shakedown": [], "psql": []}
    for number in range(ROUNDS):
        times["shakedown"].append(ours(program, folder, number))
        times["psql"].append(theirs(f"{binaries}/psql", url))
    mine, peer = (sorted(times[name])[ROUNDS // 2] for name in ("shakedown", "psql"))
    print("seeds, 15,000 rows into an empty Postgres")
    print(f"  shakedown {mine * 1000:8.1f} ms   psql {peer * 1000:8.1f} ms   ours / psql = {mine / peer:.2f}"
          "  (at most 1.10)")


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    if not found:
        print("seeds: no Postgres is installed")
        return
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-sql-"))
    user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if getpass.getuser() == "root" else []
    if user:
        shutil.chown(folder, "postgres")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    server = None
    try:
        quiet([*user, f"{found[-1]}/initdb", "--no-sync", "-D", str(folder / "data"), "-U", "bench"], cwd=folder)
        server = subprocess.Popen([*user, f"{found[-1]}/postgres", "-D", str(folder / "data"), "-k", str(folder),
                                   "-h", "127.0.0.1", "-p", str(port), "-c", "fsync=off", "-c", "autovacuum=off"],
                                  cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while subprocess.run([f"{found[-1]}/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]).returncode:
            if time.monotonic() > deadline:
                sys.exit("bench: Postgres did not start")
            time.sleep(0.05)
        compare(program, folder, port, found[-1])
    finally:
        if server:
            server.terminate()
            server.wait()
        shutil.rmtree(folder, ignore_errors=True)


main()
