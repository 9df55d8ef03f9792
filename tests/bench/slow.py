#!/usr/bin/env python3
"""slow.py SHAKEDOWN - what it costs to hold TLS connections: slow headers and silence, one thread, beside slowhttptest.

Both attack the same nginx.  CONNECTIONS (10000) is the size of our own rows; slowhttptest waits with select()
and so has at most 1,024 descriptors: PEER_CONNECTIONS (900) is the size of the rows beside it.  SECONDS (30) is
the length of each, with the ramp, which takes a third of it.

Memory is what the process grew by from ten connections to all of them, by connection.  The kernel's part is what its
slab and socket buffers grew by meanwhile, halved, as both ends of each connection are on this machine.  CPU while
holding is that of the last third.
"""
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

CONNECTIONS = int(os.environ.get("CONNECTIONS", 10000))
PEER_CONNECTIONS = int(os.environ.get("PEER_CONNECTIONS", 900))
SECONDS = int(os.environ.get("SECONDS", 30))
FEW = 10
TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")

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
    with open("/proc/net/tcp", encoding="ascii") as f:
        rows = [line.split() for line in list(f)[1:]]
    return sum(r[2].endswith(f":{port:04X}") and r[3] == "01" and f"socket:[{r[9]}]" in own for r in rows)


def process(pid):
    """CPU seconds and resident bytes."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK, int(fields[21]) * PAGE


def kernel():
    """Bytes of its slab and of the buffers of TCP sockets."""
    with open("/proc/meminfo", encoding="ascii") as f:
        slab = next(int(line.split()[1]) * 1024 for line in f if line.startswith("Slab:"))
    with open("/proc/net/sockstat", encoding="ascii") as f:
        tcp = next(line.split() for line in f if line.startswith("TCP:"))
    return slab + int(tcp[tcp.index("mem") + 1]) * PAGE


def watch(argv, port):
    """Runs it; the most connections held, memory and kernel memory at the end, CPU in all and of the last third."""
    p = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    start, held, thirds = time.monotonic(), 0, None
    cpu = rss = slab = 0
    while p.poll() is None and time.monotonic() < start + SECONDS - 1:
        try:
            cpu, rss = process(p.pid)
        except (OSError, IndexError):
            break
        if time.monotonic() > start + SECONDS * 2 / 3:
            thirds = thirds or (cpu, time.monotonic())
            held = max(held, connections_of(p.pid, port))
            slab = kernel()
        time.sleep(1)
    waiting = (cpu - thirds[0]) / (time.monotonic() - thirds[1]) if thirds else float("nan")
    p.terminate()
    p.wait()
    return held, rss, slab, cpu, waiting


def measure(name, command, connections, port):
    """`command(connections)` is an argument list."""
    few = watch(command(FEW), port)
    held, rss, slab, cpu, waiting = watch(command(connections), port)
    n = max(held - few[0], 1)
    print(f"  {name:26} held {held:6,}  {(rss - few[1]) / n / 1000:5.1f} kB each ({rss / 1e6:.1f} MB in all), kernel "
          f"{(slab - few[2]) / n / 2 / 1000:4.1f} kB  CPU {cpu:5.2f} s, {100 * waiting:4.1f}% of a core while holding",
          flush=True)


def main():
    shakedown = os.path.realpath(sys.argv[1])
    here = os.path.dirname(os.path.realpath(__file__))
    port = free_port()
    folder = tempfile.mkdtemp()
    url = f"https://127.0.0.1:{port}/"

    def ours(attack):
        return lambda n: [shakedown, "run", f"{here}/slow.yaml", "--out", f"{folder}/out", "--set", f"url={url}",
                          "--set", f"attack={attack}", "--set", f"connections={n}", "--set", f"rate={n * 3 // SECONDS + 1}/s",
                          "--set", f"hold_for={SECONDS}s"]

    def peer(n):
        return ["slowhttptest", "-H", "-c", str(n), "-r", str(n * 3 // SECONDS + 1), "-i", "10", "-l", str(SECONDS),
                "-u", url, "-x", "24", "-p", "3"]

    try:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem", "-subj", "/CN=localhost"],
                       check=True, stderr=subprocess.DEVNULL)
        with open(f"{folder}/nginx.conf", "w", encoding="ascii") as f:
            f.write(NGINX.format(dir=folder, port=port))
        nginx = subprocess.Popen(["nginx", "-e", "stderr", "-p", folder, "-c", f"{folder}/nginx.conf"])
        time.sleep(1)
        try:
            print(f"TLS connections held against nginx for {SECONDS} s, a third of it ramp; a header line every 10 s, or none")
            measure("shakedown headers", ours("headers"), CONNECTIONS, port)
            measure("shakedown idle", ours("idle"), CONNECTIONS, port)
            measure("shakedown headers", ours("headers"), PEER_CONNECTIONS, port)
            if shutil.which("slowhttptest"):
                measure("slowhttptest -H", peer, PEER_CONNECTIONS, port)
        finally:
            nginx.terminate()
            nginx.wait()
    finally:
        shutil.rmtree(folder)


main()
