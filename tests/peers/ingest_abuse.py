#!/usr/bin/python3
"""ingest_abuse.py - clients that no library would be, against our ingest server without TLS.

    ingest_abuse.py PORT PID

Frames are made by hand (RFC 9113, RFC 7541).  PID is the server's, whose memory is looked at and which is ended at last.  Prints
"ok - ..." or "not ok - ..." for each sentence.
"""
import argparse
import os
import pathlib
import signal
import socket
import struct
import sys

import ingest_client
from ingest_client import World, say
import wire

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST, SETTINGS, PING, GOAWAY, WINDOW, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
MIB = 1 << 20


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def text(value):
    value = value.encode()
    if len(value) < 127:
        return bytes([len(value)]) + value
    out, left = b"\x7f", len(value) - 127
    while left >= 128:
        out, left = out + bytes([left & 127 | 128]), left >> 7
    return out + bytes([left]) + value


def literal(name, value):
    return b"\x00" + text(name) + text(value)


def head(method, **more):
    fields = {":method": "POST", ":scheme": "http", ":path": f"/agent.v1.IngestService/{method}", ":authority": "x",
              "content-type": "application/grpc", "te": "trailers", **more}
    return b"".join(literal(n, v) for n, v in fields.items())


class Peer:
    def __init__(self, port, settings=b""):
        self.s = socket.create_connection(("127.0.0.1", port))
        self.s.settimeout(20)
        self.left = b""
        self.send(PREFACE + frame(SETTINGS, 0, 0, settings))

    def send(self, data):
        """False: the server has had enough."""
        try:
            self.s.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def frames(self):
        """Until the server is done with the connection."""
        while True:
            while len(self.left) >= 9 and len(self.left) >= 9 + int.from_bytes(self.left[:3], "big"):
                size = int.from_bytes(self.left[:3], "big")
                kind, flags, stream = struct.unpack(">BBI", self.left[3:9])
                payload, self.left = self.left[9:9 + size], self.left[9 + size:]
                yield kind, flags, stream, payload
            try:
                data = self.s.recv(65536)
            except ConnectionResetError:
                return
            if not data:
                return
            self.left += data

    def until(self, kind, accept=lambda flags, payload: True):
        for k, flags, _, payload in self.frames():
            if k == kind and accept(flags, payload):
                return payload
        return None

    def ended(self):
        try:
            for _ in self.frames():
                pass
        except TimeoutError:
            return False
        return True

    def settle(self):
        """Everything sent so far has been read: a PING has come back."""
        self.send(frame(PING, 0, 0, b"settle!!"))
        return self.until(PING, lambda flags, payload: flags & 1 and payload == b"settle!!")


def resident(pid):
    fields = pathlib.Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * 4096


def message(m):
    data = m.SerializeToString()
    return struct.pack(">BI", 0, len(data)) + data


def code_of(goaway):
    return int.from_bytes(goaway[4:8], "big") if goaway else None


def check_pings(o):
    p = Peer(o.port)
    p.send(b"".join(frame(PING, 0, 0, b"%08d" % i) for i in range(3)))
    say(p.until(PING, lambda f, data: data == b"00000002") is not None, "three pings at once are answered")
    p.send(frame(PING, 0, 0, b"00000003"))
    goaway = p.until(GOAWAY)
    say(code_of(goaway) == 11 and goaway[8:] == b"too_many_pings", "the fourth is ENHANCE_YOUR_CALM, too_many_pings",
        str(goaway))
    p = Peer(o.port)
    for i in range(1, 12, 2):
        p.send(frame(HEADERS, 5, i, head("Nothing")) + frame(PING, 0, 0, b"%08d" % i))
        if p.until(PING, lambda f, data: f & 1) is None:
            break
    else:
        i = 0
    say(i == 0, "pings between answers are none too many")


def check_unread(o, w, agent):
    """Beats of two kinds, whose replies differ, so that none can be put off; nothing is read."""
    pb = w.pb
    first = message(pb.HeartbeatRequest(agent_id=agent.answer.jwt_token, agent_version="dev"))
    two = message(pb.HeartbeatRequest(agent_version="old")) + message(pb.HeartbeatRequest(agent_version="dev"))
    p = Peer(o.port, struct.pack(">HI", 4, 0))
    before = resident(o.pid)
    p.send(frame(HEADERS, 4, 1, head("Heartbeat")) + frame(DATA, 0, 1, first))
    room, piece = 200 << 10, two * (16000 // len(two))
    for _ in range(4 * MIB // len(piece)):
        while room < len(piece):
            for kind, _, stream, payload in p.frames():
                if kind == WINDOW and stream == 1:
                    room += int.from_bytes(payload, "big")
                if kind in (WINDOW, RST, GOAWAY):
                    break
            else:
                break
            if kind != WINDOW:
                room = -1
                break
        if room < 0 or not p.send(frame(DATA, 0, 1, piece)):
            break
        room -= len(piece)
    grown = resident(o.pid) - before
    say(grown < 6 * MIB, "replies that a client does not read are bounded", f"{grown >> 10} KiB more")


def check_goodbye(o, w, agent):
    p = Peer(o.port)
    beat = message(w.pb.HeartbeatRequest(agent_version="dev"))
    p.send(frame(HEADERS, 4, 1, head("Heartbeat")) +
           frame(DATA, 0, 1, message(w.pb.HeartbeatRequest(agent_id=agent.answer.jwt_token, agent_version="dev"))))
    say(p.until(DATA) is not None, "a stream is open")
    os.kill(o.pid, signal.SIGTERM)
    say(code_of(p.until(GOAWAY)) == 0, "SIGTERM: GOAWAY without an error")
    p.send(frame(DATA, 0, 1, beat))
    say(p.until(DATA) is not None, "and the stream goes on")
    p.send(frame(DATA, 1, 1, beat))
    say(p.ended(), "until its client ends it, and then the connection ends")


def check_floods(o):
    before = resident(o.pid)
    p = Peer(o.port)
    reset = struct.pack(">I", 8)
    for k in range(0, 20000, 500):
        if not p.send(b"".join(frame(HEADERS, 4, 2 * i + 1, head("Terminal", authorization="x" * 100)) +
                               frame(RST, 0, 2 * i + 1, reset) for i in range(k, k + 500))):
            break
    say(p.ended(), "a storm of resets is ended")
    p = Peer(o.port)
    p.send(b"".join(frame(SETTINGS, 0, 0) for _ in range(20000)))
    say(p.ended(), "a flood of SETTINGS is ended")
    p = Peer(o.port)
    p.send(frame(HEADERS, 0, 1, head("Register")))
    piece = frame(CONTINUATION, 0, 1, literal("x-a", "y" * 8000))
    while p.send(piece) and len(piece) < 32 * MIB:
        piece += piece
    say(len(piece) < 32 * MIB and p.ended(), "a head without an end is ended")
    p = Peer(o.port)
    for k in range(0, 4000, 100):
        if not p.send(b"".join(frame(HEADERS, 4, 2 * i + 1, head("SubmitSoftwareInventory", authorization="x" * 8000))
                               for i in range(k, k + 100))):
            break
    p.send(frame(HEADERS, 4, 9001, head("Terminal", authorization="y" * 12000)))
    say(p.settle() is not None, "streams that wait with a token each are served")
    p = Peer(o.port)
    open_streams = [frame(HEADERS, 4, 2 * i + 1, head("Register")) + frame(DATA, 0, 2 * i + 1, b"\0\0\x3f\xff\xff")
                    for i in range(2000)]
    p.send(b"".join(open_streams))
    say(p.settle() is not None, "messages that are announced and do not come cost nothing")
    grown = resident(o.pid) - before
    shadow = 4 if b"libtsan" in pathlib.Path(f"/proc/{o.pid}/maps").read_bytes() else 1
    say(grown < 160 * MIB * shadow, "and the server's memory is bounded", f"{grown >> 10} KiB more")


def main():
    a = argparse.ArgumentParser()
    a.add_argument("port", type=int)
    a.add_argument("pid", type=int)
    o = a.parse_args()
    o.address, o.ca, o.name, o.token = f"127.0.0.1:{o.port}", None, None, "peer-token"
    w = World(o)
    agent = w.agent("abuse")
    agent.register(csr=False)
    check_pings(o)
    check_unread(o, w, agent)
    check_floods(o)
    say(w.agent("after").register(csr=False).status == "active", "and it serves on")
    check_goodbye(o, w, agent)
    sys.exit(1 if ingest_client.failures else 0)


if __name__ == "__main__":
    wire.run(main)
