#!/usr/bin/python3
"""ingest_faults.py - Google's gRPC as a client whose server drops it, forgets it, or starts again.

    ingest_faults.py drops ADDRESS --ca FILE                     the script is the one of tests/live/test_ingest_faults.sh
    ingest_faults.py deleted ADDRESS --ca FILE
    ingest_faults.py register ADDRESS --ca FILE [--kept FILE] TOKEN=HOST...
    ingest_faults.py beat ADDRESS --ca FILE --kept FILE

`drops` prints "ok - ..." or "not ok - ..." for each sentence; the others print the status, of `register` with
the agent's own.  What `register` keeps of its last agent, `beat` comes back with.
"""
import argparse
import json
import pathlib
import sys
import time

import grpc

import ingest_client
from ingest_client import CODES, Agent, World, code_of, say
from ingest_pushes import Stream


def ending(s):
    """The status that a stream ends with, after one more beat."""
    try:
        s.send(s.agent.request(s.first))
        for r in s.replies:
            s.pushes.append(r)
    except grpc.RpcError:
        pass
    return s.replies.code()


def raw(certificate):
    from cryptography.hazmat.primitives import serialization
    return certificate.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def check_certificate(w, a, s):
    from cryptography import x509
    r = s.pushed()
    leaf, old = (x509.load_pem_x509_certificate(p.encode()) for p in (r.pending_client_cert_pem, a.answer.client_cert_pem))
    say(raw(leaf) == raw(old) and leaf.serial_number != old.serial_number,
        "the second beat brings a new certificate for the same key")
    say(r.pending_client_cert_not_after_unix == int(leaf.not_valid_after_utc.timestamp()) if hasattr(leaf, "not_valid_after_utc")
        else abs(r.pending_client_cert_not_after_unix - leaf.not_valid_after.timestamp()) < 86400, "and says how long it is good")
    a.answer.client_cert_pem = r.pending_client_cert_pem
    a.identify()


def drops(w):
    a = w.agent("0000")
    a.register()
    a.identify()
    s = Stream(a)
    s.reply()
    s.reply()
    check_certificate(w, a, s)
    q = s.pushed().pending_queries
    say(len(q) == 1 and q[0].query_type == "list_services", "what is due by time comes without a beat")
    code = ending(s)
    say(code in (CODES.INTERNAL, CODES.UNKNOWN, CODES.CANCELLED), "the third resets the stream", str(code))
    s = Stream(a)
    code = ending(s)
    say(code == CODES.UNAVAILABLE, "the fourth, with the new certificate, ends the connection", str(code))
    a.identify()
    s = Stream(a)
    say(s.reply().ok, "the fifth is answered")
    deadline = time.monotonic() + 20
    while (code := code_of(lambda: a.call("Heartbeat")(iter([a.request(True)]), timeout=20))) == CODES.OK:
        if time.monotonic() > deadline:
            break
    say(code == CODES.UNAUTHENTICATED, "and then its certificate is revoked", str(code))


def deleted(w):
    a = w.agent("0000")
    a.register()
    a.identify()
    s = Stream(a)
    s.reply()
    print(ending(s).name)


def register(w):
    channel = w.channel()
    for pair in w.o.agents:
        token, host = pair.split("=")
        a = Agent(w, host, channel)
        code = code_of(lambda: iter([a.register(token)]))
        print(code.name, a.answer.status if a.answer else "-")
        if w.o.kept and a.answer:
            w.o.kept.write_text(json.dumps({"id": a.answer.agent_id, "token": a.answer.jwt_token, "key": a.key.private,
                                            "certificate": a.answer.client_cert_pem}))


def beat(w):
    kept = json.loads(w.o.kept.read_text())
    a = Agent(w, "kept")
    a.channel = w.channel(kept["key"], kept["certificate"])
    print(code_of(lambda: a.call("Heartbeat")(iter([w.pb.HeartbeatRequest(agent_id=kept["token"], agent_version="dev")]),
                                              timeout=20)).name)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("what", choices=["drops", "deleted", "register", "beat"])
    p.add_argument("address")
    p.add_argument("--ca", type=pathlib.Path)
    p.add_argument("--token", default="peer-token")
    p.add_argument("agents", nargs="*", metavar="TOKEN=HOST")
    p.add_argument("--kept", type=pathlib.Path)
    w = World(p.parse_intermixed_args())
    w.o.name = None
    {"drops": drops, "deleted": deleted, "register": register, "beat": beat}[w.o.what](w)
    sys.exit(1 if ingest_client.failures else 0)


if __name__ == "__main__":
    main()
