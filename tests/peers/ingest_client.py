#!/usr/bin/python3
"""ingest_client.py - Google's gRPC as a client of agent.v1.IngestService, for tests of our server.

    ingest_client.py check ADDRESS --ca FILE --token T [--mtls] [--no-terminal]
    ingest_client.py load  ADDRESS --ca FILE --token T --agents N --seconds S [--interval I]

`check` goes through the contract of each method and prints a line "ok - ..." or "not ok - ..." for each
of its sentences.  `load` is a fleet of N agents and prints what it measured as JSON: the peer of `make bench`.
"""
import argparse
import json
import pathlib
import queue
import sys
import threading
import time

import grpc

import ca
import wire

CODES = grpc.StatusCode
failures = 0


def say(good, what, detail=""):
    global failures
    failures += not good
    print(("ok" if good else "not ok") + f" - {what}" + (f" ({detail})" if not good and detail else ""), flush=True)


def code_of(call):
    """The status of a call: of a unary one that is made here, or of a stream read to its end."""
    try:
        answer = call()
        for _ in answer if hasattr(answer, "__next__") else ():
            pass
        return CODES.OK
    except grpc.RpcError as e:
        return e.code()


class Beats:
    """A heartbeat stream whose requests are sent one by one."""

    def __init__(self, agent):
        self.requests = queue.Queue()
        self.replies = agent.call("Heartbeat")(iter(self.requests.get, None), timeout=60)

    def send(self, message):
        self.requests.put(message)

    def beat(self, message):
        self.send(message)
        return next(self.replies)

    def close(self):
        self.requests.put(None)


class Agent:
    def __init__(self, world, name, channel=None):
        self.world, self.name = world, name
        self.key = ca.AgentKey()
        self.answer = None
        self.channel = channel or world.channel()

    def register(self, token=None, csr=True, key=None, name=None):
        pb = self.world.pb
        request = pb.RegisterRequest(org_token=self.world.o.token if token is None else token,
                                     public_key=self.key.public if key is None else key,
                                     platform_info=pb.PlatformInfo(os="linux", arch="amd64"),
                                     agent_info=pb.AgentInfo(version="dev", hostname=name or self.name),
                                     csr_der=self.key.csr() if csr else b"")
        self.answer = self.call("Register")(request, timeout=30)
        return self.answer

    def call(self, method):
        return self.world.pb.stub(self.channel, method)

    def identify(self):
        """From now on the issued certificate is shown, where the server asks for it."""
        if self.answer.client_cert_pem:
            self.channel = self.world.channel(self.key.private, self.answer.client_cert_pem)

    def request(self, first=False, **fields):
        return self.world.pb.HeartbeatRequest(agent_id=self.answer.jwt_token if first else self.answer.agent_id,
                                              cpu_percent=12.5, agent_version="dev", timestamp_unix=int(time.time()),
                                              **fields)


class World:
    def __init__(self, o):
        self.o, self.pb = o, wire.Messages()
        self.root = o.ca.read_bytes() if o.ca else None
        self.stamp = f"{time.time_ns() & 0xffffffff:08x}"

    def channel(self, key=None, certificate=None):
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", 8 << 20)]
        if self.o.name:
            options.append(("grpc.ssl_target_name_override", self.o.name))
        if not self.root:
            return grpc.insecure_channel(self.o.address, options)
        return grpc.secure_channel(self.o.address, grpc.ssl_channel_credentials(
            self.root, key.encode() if key else None, certificate.encode() if certificate else None), options)

    def agent(self, name):
        return Agent(self, f"loadtest-peer{self.stamp}-{name}")


def check_register(w):
    a, b = w.agent("0001"), w.agent("0002")
    answer = a.register()
    say(answer.status == "active" and answer.jwt_token and answer.agent_id, "Register: active, with an id and a token")
    again = a.register()
    say(again.agent_id == answer.agent_id and again.jwt_token, "Register: the same key again is the same agent")
    say(code_of(lambda: b.register(name=a.name)) == CODES.ALREADY_EXISTS, "Register: a taken host name is refused")
    say(code_of(lambda: b.register(token="not-" + w.o.token)) == CODES.UNAUTHENTICATED, "Register: a wrong token is refused")
    say(code_of(lambda: b.register(token="")) == CODES.INVALID_ARGUMENT, "Register: no token is an invalid argument")
    say(code_of(lambda: b.register(key="")) == CODES.INVALID_ARGUMENT, "Register: no key is an invalid argument")
    say(b.register(csr=False).status == "active", "Register: works without a CSR")
    if w.o.mtls:
        from cryptography import x509
        leaf = x509.load_pem_x509_certificate(answer.client_cert_pem.encode())
        uri = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
            x509.UniformResourceIdentifier)
        say(uri and uri[0].startswith("spiffe://ct-ops/org/") and uri[0].endswith(f"/agent/{answer.agent_id}"),
            "Register: the certificate carries the agent's SPIFFE id", str(uri))
        left = leaf.not_valid_after.timestamp() - time.time()
        say(abs(answer.client_cert_not_after_unix - leaf.not_valid_after.timestamp()) < 86400 and 88 < left / 86400 < 91,
            "Register: it is good for 90 days and says so", f"{left / 86400:.1f} days")
        bad = w.agent("0003")
        bad.key.csr = lambda: b"\x30\x03\x02\x01\x00"
        answer = bad.register()
        say(answer.status == "active" and not answer.client_cert_pem, "Register: a bad CSR registers, without a certificate")
    return a


def check_beats(w, a):
    if w.o.mtls:
        say(code_of(lambda: a.call("Heartbeat")(iter([a.request(True)]), timeout=20)) == CODES.UNAUTHENTICATED,
            "Heartbeat: without a client certificate refused")
        a.identify()
    good = a.answer.jwt_token
    for text in ("", "a.b.c", good[:-6] + "AAAAAA"):
        message = w.pb.HeartbeatRequest(agent_id=text)
        say(code_of(lambda m=message: a.call("Heartbeat")(iter([m]), timeout=20)) == CODES.UNAUTHENTICATED,
            f"Heartbeat: a token of {len(text)} bytes that is not ours is refused")
    beats = Beats(a)
    replies = [beats.beat(a.request(True))] + [beats.beat(a.request()) for _ in range(50)]
    say(len(replies) == 51 and all(r.ok for r in replies), "Heartbeat: one reply for each beat")
    for _ in range(100):
        beats.send(a.request())
    say(sum(next(beats.replies).ok for _ in range(100)) == 100, "Heartbeat: a hundred beats at once, a hundred replies")
    beats.close()
    say(not list(beats.replies), "Heartbeat: nothing comes behind the last reply")
    say(beats.replies.code() == CODES.OK, "Heartbeat: our end of the stream ends it with OK")


def check_inventory(w, a):
    def chunks(scan):
        for index in range(2):
            yield w.pb.SoftwareInventoryChunk(scan_id=scan, agent_id=a.answer.agent_id, source="loadtest",
                                              chunk_index=index, is_last=index == 1,
                                              packages=[w.pb.SoftwarePackage(name=f"p{i}", version="1.0.0",
                                                                             architecture="amd64") for i in range(500)])

    def submit(scan, metadata):
        return code_of(lambda: a.call("SubmitSoftwareInventory")(chunks(scan), timeout=20, metadata=metadata))
    bearer = [("authorization", f"Bearer {a.answer.jwt_token}")]
    say(submit("x", None) == CODES.UNAUTHENTICATED, "SubmitSoftwareInventory: without a token refused")
    say(submit("", bearer) == CODES.INVALID_ARGUMENT, "SubmitSoftwareInventory: needs a scan id")
    say(submit("no-such-scan", bearer) == CODES.NOT_FOUND, "SubmitSoftwareInventory: a scan of nobody is not found")
    empty = code_of(lambda: a.call("SubmitSoftwareInventory")(iter([]), timeout=20, metadata=bearer))
    say(empty == CODES.INVALID_ARGUMENT, "SubmitSoftwareInventory: needs a chunk")


def check_rest(w, a):
    pb = w.pb
    answer = None
    try:
        answer = a.call("RenewCertificate")(pb.RenewCertificateRequest(agent_id=a.answer.agent_id, csr_der=a.key.csr()), timeout=20)
    except grpc.RpcError as e:
        say(not w.o.mtls, "RenewCertificate: answered", str(e.code()))
    if answer is not None:
        say("BEGIN CERTIFICATE" in answer.client_cert_pem and answer.client_cert_not_after_unix > time.time(),
            "RenewCertificate: a new certificate")
    first = pb.TerminalAgentMessage(session_id="no-such-session")
    code = code_of(lambda: a.call("Terminal")(iter([first]), timeout=5, metadata=[("authorization", "Bearer x")]))
    want = (CODES.UNIMPLEMENTED,) if w.o.no_terminal else (CODES.NOT_FOUND, CODES.DEADLINE_EXCEEDED, CODES.OK)
    say(code in want, f"Terminal: {'gone' if w.o.no_terminal else 'answers'}", str(code))
    unknown = a.channel.unary_unary(f"/{wire.SERVICE}/Nothing")
    say(code_of(lambda: unknown(b"", timeout=20)) == CODES.UNIMPLEMENTED, "a method that does not exist is UNIMPLEMENTED")
    garbage = code_of(lambda: w.pb.stub(a.channel, "Register")(b"\xff\xff\xff\xff", timeout=20))
    say(garbage in (CODES.INVALID_ARGUMENT, CODES.INTERNAL, CODES.UNKNOWN), "bytes that are no protobuf are refused", str(garbage))
    huge = code_of(lambda: w.pb.stub(a.channel, "Register")(pb.RegisterRequest(org_token="x" * (5 << 20)), timeout=20))
    say(huge == CODES.RESOURCE_EXHAUSTED, "a message over 4 MiB is RESOURCE_EXHAUSTED", str(huge))
    say(w.agent("0099").register().status == "active", "and the server serves on")


def check(w):
    a = check_register(w)
    check_beats(w, a)
    check_inventory(w, a)
    check_rest(w, a)
    return 1 if failures else 0


def beat_for(agent, o, end, rtts):
    beats, first, due = Beats(agent), True, time.monotonic()
    while time.monotonic() < end:
        sent = time.monotonic()
        if not beats.beat(agent.request(first)).ok:
            return
        rtts.append(time.monotonic() - sent)
        first, due = False, due + o.interval
        time.sleep(max(0, due - time.monotonic()))
    beats.close()


def load(w):
    o = w.o
    agents = [w.agent(f"{i:05d}") for i in range(o.agents)]
    for i, agent in enumerate(agents):
        agent.channel = agents[i - i % 50].channel
    begin = time.monotonic()
    for agent in agents:
        agent.register(csr=not o.no_csr)
    registered = time.monotonic() - begin
    cpu, begin, rtts = time.process_time(), time.monotonic(), [[] for _ in agents]
    threads = [threading.Thread(target=beat_for, args=(a, o, begin + o.seconds, rtts[i])) for i, a in enumerate(agents)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    cpu, beats = time.process_time() - cpu, sorted(r for one in rtts for r in one)
    print(json.dumps({"agents": o.agents, "registrations_per_s": o.agents / registered, "beats": len(beats),
                      "beats_per_s": len(beats) / (time.monotonic() - begin),
                      "cpu_us_per_beat": cpu / max(1, len(beats)) * 1e6,
                      "rtt_ms": {q: round(beats[int(q / 100 * (len(beats) - 1))] * 1000, 3) for q in (50, 95, 99)}}))
    return 0


def main():
    p = argparse.ArgumentParser()
    p.add_argument("what", choices=["check", "load"])
    p.add_argument("address")
    p.add_argument("--ca", type=pathlib.Path, help="without it the connection is plain text")
    p.add_argument("--name", help="the name in the server's certificate")
    p.add_argument("--token", default="peer-token")
    p.add_argument("--mtls", action="store_true")
    p.add_argument("--no-terminal", action="store_true")
    p.add_argument("--no-csr", action="store_true")
    p.add_argument("--agents", type=int, default=50)
    p.add_argument("--seconds", type=float, default=5)
    p.add_argument("--interval", type=float, default=0.0)
    w = World(p.parse_args())
    sys.exit({"check": check, "load": load}[w.o.what](w))


if __name__ == "__main__":
    wire.run(main)
