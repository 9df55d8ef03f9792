#!/usr/bin/env python3
"""slow.py SHAKEDOWN - what holding connections costs, beside slowhttptest: slow headers against the same
nginx, over TLS.  CONNECTIONS (900; slowhttptest cannot have more than 1,024 without a raised limit) and
SECONDS (20) change its size."""
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

CONNECTIONS = int(os.environ.get("CONNECTIONS", 900))
SECONDS = int(os.environ.get("SECONDS", 20))
RATE = max(CONNECTIONS // 4, 1)
TICK = os.sysconf("SC_CLK_TCK")

NGINX = """
worker_processes 1; daemon off; error_log stderr error; pid {dir}/pid;
worker_rlimit_nofile 20000;
events {{ worker_connections 19000; }}
http {{
    client_header_timeout 600s; access_log off;
    client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f;
    uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
    server {{ listen 127.0.0.1:{port} ssl backlog=4096; ssl_certificate {dir}/cert.pem;
             ssl_certificate_key {dir}/key.pem; location / {{ return 200 ok; }} }}
}}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def connections_of(pid, port):
    """Established ones of a process, by the inodes of its descriptors."""
    own = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            own.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
        except OSError:
            pass
    with open("/proc/net/tcp") as f:
        rows = [line.split() for line in list(f)[1:]]
    return sum(r[2].endswith(f":{port:04X}") and r[3] == "01" and f"socket:[{r[9]}]" in own for r in rows)


def sample(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK, int(fields[21]) * os.sysconf("SC_PAGE_SIZE")


def measure(name, argv, port):
    p = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    most = rss = 0
    cpu = settled = None
    start = time.monotonic()
    while p.poll() is None and time.monotonic() < start + SECONDS - 1:
        try:
            cpu, memory = sample(p.pid)
        except (OSError, IndexError):
            break
        rss = max(rss, memory)
        most = max(most, connections_of(p.pid, port))
        if settled is None and time.monotonic() > start + SECONDS / 2:
            settled = cpu, time.monotonic()
        time.sleep(0.5)
    waiting = (cpu - settled[0]) / (time.monotonic() - settled[1]) if settled else float("nan")
    p.terminate()
    p.wait()
    print(f"  {name:14} held {most:6,}  memory {rss / 2**20:6.1f} MiB  CPU {cpu:5.2f} s, "
          f"{100 * waiting:4.1f}% of a core while holding")


def main():
    shakedown = os.path.realpath(sys.argv[1])
    here = os.path.dirname(os.path.realpath(__file__))
    port = free_port()
    folder = tempfile.mkdtemp()
    url = f"https://127.0.0.1:{port}/"
    try:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem", "-subj", "/CN=localhost"],
                       check=True, stderr=subprocess.DEVNULL)
        with open(f"{folder}/nginx.conf", "w") as f:
            f.write(NGINX.format(dir=folder, port=port))
        nginx = subprocess.Popen(["nginx", "-e", "stderr", "-p", folder, "-c", f"{folder}/nginx.conf"])
        time.sleep(1)
        print(f"slow headers on {CONNECTIONS:,} TLS connections, {RATE}/s, a header line every 10 s, {SECONDS} s")
        try:
            measure("shakedown", [shakedown, "run", f"{here}/slow.yaml", "--out", f"{folder}/out", "--set", f"url={url}",
                                  "--set", f"connections={CONNECTIONS}", "--set", f"rate={RATE}/s",
                                  "--set", f"hold_for={SECONDS}s"], port)
            if shutil.which("slowhttptest"):
                measure("slowhttptest", ["slowhttptest", "-H", "-c", str(CONNECTIONS), "-r", str(RATE), "-i", "10",
                                         "-l", str(SECONDS), "-u", url, "-x", "24", "-p", "3"], port)
        finally:
            nginx.terminate()
            nginx.wait()
    finally:
        shutil.rmtree(folder)


main()
