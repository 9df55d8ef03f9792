#!/usr/bin/env python3
"""witness.py SEEN - each attack did on the wire what it says it does: tests/fixtures/witness.py wrote SEEN."""
import json
import re
import statistics
import sys

sys.path.insert(0, "tests/fixtures")
from hub_wire import handshake_bytes, server_name  # noqa: E402

with open(sys.argv[1], encoding="utf-8") as f:
    seen = json.load(f)


def chunks(name):
    """Of each connection, what came in which order."""
    return [[text.encode("latin-1") for _, text in c["chunks"]] for c in seen[name]]


def whole(name):
    return [b"".join(c) for c in chunks(name)]


def hellos(name):
    """The ClientHellos, of which no two are the same."""
    all = whole(name)
    assert len(set(all)) == len(all) == 4, f"{name}: {len(set(all))} different of {len(all)}"
    for data in all:
        message = handshake_bytes(data)
        assert message[0] == 1 and int.from_bytes(message[1:4], "big") + 4 == len(message), name
    return all


def ks_uniform(samples):
    ordered, n = sorted(samples), len(samples)
    return max(max((i + 1) / n - x, x - i / n) for i, x in enumerate(ordered))


def headers():
    first, gaps = [], []
    assert len(seen["headers"]) == 100
    for c in seen["headers"]:
        at, opening = c["chunks"][0]
        assert opening.startswith("GET / HTTP/1.1\r\nHost: ") and "\r\n\r\n" not in opening, opening
        for _, line in c["chunks"][1:]:
            assert re.fullmatch(r"(X-[0-9a-f]{6}: [0-9a-f]{8}\r\n)+", line), line
        times = [t for t, _ in c["chunks"]]
        first.append(times[1] - at)
        gaps += [b - a for a, b in zip(times[1:], times[2:])]
    assert 0.95 < statistics.median(gaps) < 1.05, statistics.median(gaps)
    assert ks_uniform(first) < 0.25, f"first follow-ups come in volleys: {ks_uniform(first)}"


def body():
    for data in whole("body"):
        head, _, rest = data.partition(b"\r\n\r\n")
        assert head.startswith(b"POST /upload HTTP/1.1\r\n") and b"\r\nContent-Length: 1048576" in head
        assert 12 <= len(rest) <= 60 and len(rest) % 3 == 0, len(rest)


# The window is small from the handshake on: what the server's kernel got rid of is what fits in it.
def read():
    for c, data in zip(seen["read"], whole("read")):
        assert data.count(b"GET /big HTTP/1.1\r\n") == data.count(b"\r\n\r\n") == 8
        assert 0 < c["acked"] <= 4096, c["acked"]


def silence():
    for name in "idle", "half-open":
        assert len(seen[name]) == 4 and not any(whole(name)), name


def drip():
    for name, of in ("drip", [1]), ("records", [6]):
        for c in chunks(name):
            few = [len(piece) for piece in c]
            assert statistics.mode(few) in of and sum(few) < 1024 and len(few) > 50, f"{name}: {few}"
    for data in whole("drip"):
        assert data[:3] == b"\x16\x03\x01" and data[5] == 1
    for data in whole("records"):
        assert handshake_bytes(data)[0] == 1 and data[3:5] == b"\0\1"
    assert len({data[:50] for data in whole("drip")}) == 4, "the same random for all"


def hello():
    for data in hellos("named"):
        assert server_name(data) == "edge.example.com"
    for data in hellos("fragment"):
        assert server_name(data) == "", "an address is no name"
    for data in hellos("no-sni"):
        assert server_name(data) == ""
    names = {server_name(data) for data in hellos("unknown")}
    assert len(names) == 4 and all(re.fullmatch(r"unknown-[0-9a-f]{16}\.invalid", n) for n in names), names
    for data in whole("fragment"):
        assert data.count(b"\x16\x03\x01\0\x0a") > 10, "records of 10 bytes"
    for data in hellos("oversize"):
        assert len(handshake_bytes(data)) > 32768 and data[3:5] == b"\x40\0", "records of 16 KiB"


for check in headers, body, read, silence, drip, hello:
    check()
