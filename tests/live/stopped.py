#!/usr/bin/python3
"""stopped.py PID PORT - a target's stamps count from when the kernel has a request.

The target is stopped when one comes, and goes on some time later: by its own stamps the answer took all of that.
"""
import json
import os
import signal
import socket
import sys
import time

pid, port = int(sys.argv[1]), int(sys.argv[2])


def ask(client, path):
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: target\r\n\r\n".encode())


def answer(client):
    text = b""
    while b"\r\n\r\n" not in text:
        text += client.recv(65536)
    head, _, body = text.partition(b"\r\n\r\n")
    length = int(next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")).split(b":")[1])
    while len(body) < length:
        body += client.recv(65536)
    return body


with socket.create_connection(("127.0.0.1", port)) as client:
    ask(client, "/")
    answer(client)
    os.kill(pid, signal.SIGSTOP)
    ask(client, "/")
    since = time.monotonic_ns()
    time.sleep(0.3)
    waited = time.monotonic_ns() - since
    os.kill(pid, signal.SIGCONT)
    answer(client)
    ask(client, "/stats")
    service = json.loads(answer(client))["service_ns"]
print(f"waited for {waited} ns, told {service}")
sys.exit(service["max"] < waited - 1_000_000)  # the two clocks are not read in the same moment
