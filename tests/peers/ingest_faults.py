#!/usr/bin/python3
"""ingest_faults.py - Google's gRPC as a client whose server drops it, forgets it, or starts again.

    ingest_faults.py drops ADDRESS --ca FILE                     the script is the one of tests/live/test_ingest_faults.sh
    ingest_faults.py deleted ADDRESS --ca FILE
    ingest_faults.py texts ADDRESS
    ingest_faults.py register ADDRESS --ca FILE [--kept FILE] TOKEN=HOST...
    ingest_faults.py beat ADDRESS --ca FILE --kept FILE

`drops` and `texts` print "ok - ..." or "not ok - ..." for each sentence; the others print the status, of `register` with
the agent's own.  What `register` keeps of its last agent, `beat` comes back with, and says whether a certificate
for its key was pushed to it.
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
import wire


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


def texts(w):
    """Registrations whose texts no database should have to keep."""
    def code(*, raw=b"", token=w.o.token, host=w.agent("0000").name, **fields):
        a = Agent(w, host)
        request = w.pb.RegisterRequest(org_token=token, public_key=a.key.public,
                                       agent_info=w.pb.AgentInfo(version="dev", hostname=host), **fields)
        return code_of(lambda: a.call("Register")(request.SerializeToString() + raw, timeout=20))

    def is_refused(what, **how):
        got = code(**how)
        say(got == CODES.INVALID_ARGUMENT, f"Register refuses {what}", str(got))

    platform, tag = w.pb.PlatformInfo, w.pb.Tag
    is_refused("bytes that are no UTF-8, in a tag", raw=b"\x2a\x04\x0a\x02\xc3\x28")
    is_refused("a surrogate, in a hostname", raw=b"\x22\x05\x1a\x03\xed\xa0\x80")
    is_refused("a NUL, in a tag", tags=[tag(key="a\0b", value="c")])
    is_refused("a NUL, in the token", token=w.o.token + "\0")
    is_refused("a version of 4097 bytes", platform_info=platform(os_version="x" * 4097))
    is_refused("65 tags", tags=[tag(key=str(i), value="") for i in range(65)])
    is_refused("65 addresses", platform_info=platform(ip_addresses=[f"10.0.0.{i}" for i in range(65)]))
    is_refused("a hostname of 254 bytes", host="loadtest-" + "x" * 245)
    got = code(platform_info=platform(os_version="\u00e4" * 2048), tags=[tag(key=str(i), value="\U0001f642") for i in range(64)])
    say(got == CODES.OK, "and takes all that is within the bounds", str(got))


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
    from cryptography import x509
    kept = json.loads(w.o.kept.read_text())
    a = Agent(w, "kept")
    a.channel = w.channel(kept["key"], kept["certificate"])
    own, pushed = raw(x509.load_pem_x509_certificate(kept["certificate"].encode())), []

    def see():
        for r in a.call("Heartbeat")(iter([w.pb.HeartbeatRequest(agent_id=kept["token"], agent_version="dev")]), timeout=20):
            if r.pending_client_cert_pem:
                leaf = x509.load_pem_x509_certificate(r.pending_client_cert_pem.encode())
                pushed.append("certificate" if raw(leaf) == own else "of another key")

    print(code_of(lambda: iter([see()])).name, *pushed)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("what", choices=["drops", "deleted", "texts", "register", "beat"])
    p.add_argument("address")
    p.add_argument("--ca", type=pathlib.Path)
    p.add_argument("--token", default="peer-token")
    p.add_argument("agents", nargs="*", metavar="TOKEN=HOST")
    p.add_argument("--kept", type=pathlib.Path)
    w = World(p.parse_intermixed_args())
    w.o.name = None
    {"drops": drops, "deleted": deleted, "texts": texts, "register": register, "beat": beat}[w.o.what](w)
    sys.exit(1 if ingest_client.failures else 0)


if __name__ == "__main__":
    wire.run(main)
