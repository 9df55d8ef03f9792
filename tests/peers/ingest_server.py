#!/usr/bin/python3
"""ingest_server.py - agent.v1.IngestService on Google's gRPC, for tests of our client.

    ingest_server.py --dir DIR [--token T] [--mtls] [--push FILE] ...

It keeps the contract in what a client can see: token rules, one reply for each beat in order, pushes of
a ticker, status codes, a client certificate for each agent.  DIR gets `ca.pem`, `port` (written once
the server listens) and `report.json` (what it has seen; written anew several times a second).

TLS ends in Python's ssl module in front of the gRPC server, because that one can either demand a client
certificate from everybody or ignore it, and Register has to work without.

Signals: TERM ends it, USR1 is a rolling restart (GOAWAY, then the same port anew), USR2 cuts every
connection.  --push names a JSON file: {"checks": [{"check_id", "check_type", "interval_seconds"}],
"queries": ["list_ports"], "tasks": [{"task_type", "config_json"}], "cancel": bool, "terminal": bool,
"rotate": bool, "renew": bool, "server_cert": bool}.
"""
import argparse
import asyncio
import json
import os
import pathlib
import signal
import ssl
import time

import grpc

import ca
import wire

CODE = {c.value[0]: c for c in grpc.StatusCode}


def arguments():
    p = argparse.ArgumentParser()
    p.add_argument("--dir", type=pathlib.Path, required=True)
    p.add_argument("--token", default="peer-token")
    p.add_argument("--max-uses", type=int, default=10**9)
    p.add_argument("--pending", action="store_true", help="the token does not approve by itself")
    p.add_argument("--mtls", action="store_true", help="all but Register need a client certificate")
    p.add_argument("--plain", action="store_true", help="no TLS at all")
    p.add_argument("--no-alpn", action="store_true")
    p.add_argument("--foreign", action="store_true", help="Register returns certificates of other keys")
    p.add_argument("--refuse", action="store_true", help="one stream of each connection is reset with REFUSED_STREAM")
    p.add_argument("--no-service", action="store_true", help="every method is UNIMPLEMENTED")
    p.add_argument("--no-terminal", action="store_true")
    p.add_argument("--push", type=pathlib.Path)
    p.add_argument("--tick", type=float, default=0.2, help="seconds between looks for pushes")
    p.add_argument("--latency", type=float, default=0, help="seconds before each reply to a beat")
    p.add_argument("--fail", action="append", default=[], metavar="METHOD=CODE[:EVERY]")
    p.add_argument("--end-after", type=int, default=0, help="a stream ends, with OK, after so many beats")
    p.add_argument("--garbage", action="store_true", help="replies to beats are no protobuf")
    p.add_argument("--huge", action="store_true", help="the reply to a beat is over 4 MiB")
    p.add_argument("--status", help="what Register answers with, and no token")
    p.add_argument("--hang", action="store_true", help="Register is never answered")
    p.add_argument("--streams", type=int, default=2**31 - 1, help="at a time, on one connection")
    return p.parse_args()


class Ingest:
    def __init__(self, o):
        self.o = o
        self.pb = wire.Messages()
        self.agents = ca.Authority("agent CA")
        self.tokens = ca.Tokens()
        self.by_key, self.by_host, self.status = {}, {}, {}
        self.push = json.loads(o.push.read_text()) if o.push else {}
        self.csrs, self.renewed = {}, {}
        self.calls, self.certificates, self.serials, self.beats, self.uses = {}, {}, {}, {}, 0
        self.seen = {"codes": {}, "keys_raw": 0, "keys_other": 0, "csr_good": 0, "csr_bad": 0, "streams": 0,
                     "streams_now": 0, "beats": 0, "beats_misnamed": 0, "first_tokens": 0, "certificate_own": 0,
                     "certificate_other": 0, "check_results": {}, "query_results": {}, "task_results": {},
                     "progress": 0, "cancelled": 0, "inventories": 0, "packages": 0, "terminals": 0, "renewals": 0,
                     "connections": 0, "pinned": 0, "renewed_used": 0, "versions": {}}

    def count(self, table, key):
        self.seen[table][key] = self.seen[table].get(key, 0) + 1

    async def refuse(self, context, method, code, why):
        self.count("codes", f"{method}:{code.name}")
        await context.abort(code, why)

    async def admit(self, context, method):
        """What --fail asks for; then the client certificate.  Returns its subject, or None."""
        self.calls[method] = self.calls.get(method, 0) + 1
        for rule in self.o.fail:
            name, _, rest = rule.partition("=")
            code, _, every = rest.partition(":")
            if name == method and self.calls[method] % int(every or 1) == 0:
                await self.refuse(context, method, CODE[int(code)], "as told")
        if method == "Register":
            return None
        port = int(context.peer().rsplit(":", 1)[1])
        owner = self.certificates.get(port)
        if self.o.mtls and not owner:
            await self.refuse(context, method, grpc.StatusCode.UNAUTHENTICATED,
                              "client certificate required for this RPC")
        return owner

    async def Register(self, request, context):
        await self.admit(context, "Register")
        if self.o.hang:
            await asyncio.sleep(3600)
        if self.o.status is not None:
            return self.pb.RegisterResponse(agent_id="peer-agent", status=self.o.status)
        if not request.org_token or not request.public_key:
            await self.refuse(context, "Register", grpc.StatusCode.INVALID_ARGUMENT, "token and key are required")
        if request.org_token != self.o.token or self.uses >= self.o.max_uses:
            await self.refuse(context, "Register", grpc.StatusCode.UNAUTHENTICATED, "invalid enrolment token")
        host = request.agent_info.hostname
        agent = self.by_key.get(request.public_key)
        if not agent:
            if host in self.by_host:
                await self.refuse(context, "Register", grpc.StatusCode.ALREADY_EXISTS, "hostname is taken")
            agent = f"peer-agent-{len(self.by_key):06d}"
            self.by_key[request.public_key] = self.by_host[host] = agent
            self.status[agent] = "pending" if self.o.pending else "active"
            self.uses += 1
            raw = len(request.public_key.replace("\n", "")) == 26 + 44 + 24
            self.seen["keys_raw" if raw else "keys_other"] += 1
        answer = self.pb.RegisterResponse(agent_id=agent, status=self.status[agent])
        if request.csr_der:
            self.csrs[agent] = request.csr_der
            self.sign(request.csr_der, agent, answer)
            if self.o.foreign:
                answer.client_cert_pem = self.agents.server(agent)[0]
        if answer.status == "active":
            answer.jwt_token = self.tokens.issue(agent)
        self.count("codes", "Register:OK")
        return answer

    def sign(self, csr, agent, answer):
        try:
            answer.client_cert_pem, answer.client_cert_not_after_unix = self.agents.client(csr, agent)
            answer.agent_ca_cert_pem = ca.pem(self.agents.certificate)
            self.seen["csr_good"] += 1
        except ValueError as why:
            self.seen["csr_bad"] += 1
            print("csr:", why, flush=True)

    def take(self, agent, request):
        """What a beat brought along."""
        self.beats.setdefault(agent, []).append(time.monotonic())
        self.seen["beats"] += 1
        self.count("versions", request.agent_version)
        self.seen["pinned"] += bool(request.pinned_server_cert_fingerprint)
        for r in request.check_results:
            self.count("check_results", r.status)
        for r in request.query_results:
            self.count("query_results", f"{r.query_type}:{r.status}:{len(r.ports)}:{len(r.services)}")
        for r in request.task_results:
            self.count("task_results", f"{r.task_type}:{r.exit_code}")
        self.seen["progress"] += len(request.task_progress)

    def reply(self):
        answer = self.pb.HeartbeatResponse(ok=True)
        for check in self.push.get("checks", []):
            answer.checks.add(**check)
        if self.push.get("server_cert"):
            answer.pending_server_cert_pem = (self.o.dir / "ca.pem").read_text()
        if self.o.huge:
            answer.command_payload = bytes(5 << 20)
        return answer

    def pushes(self, agent):
        """The messages that the ticker has for one stream, one after another."""
        for number, kind in enumerate(self.push.get("queries", [])):
            m = self.pb.HeartbeatResponse(ok=True)
            m.pending_queries.add(query_id=f"q-{agent}-{number}", query_type=kind)
            yield m
        for number, task in enumerate(self.push.get("tasks", [])):
            yield self.pb.HeartbeatResponse(ok=True, pending_task=self.pb.AgentTask(task_id=f"t-{agent}-{number}", **task))
            if self.push.get("cancel"):
                yield self.pb.HeartbeatResponse(ok=True, cancel_task_ids=[f"t-{agent}-{number}"])
        if self.push.get("terminal"):
            m = self.pb.HeartbeatResponse(ok=True)
            m.pending_terminal_sessions.add(session_id=f"s-{agent}", cols=80, rows=24, username="peer")
            yield m
        if self.push.get("rotate"):
            key = ca.AgentKey()  # a certificate that the agent has no key for: it has to be told, not used blindly
            made, until = self.agents.client(key.csr(), agent)
            yield self.pb.HeartbeatResponse(ok=True, pending_client_cert_pem=made, pending_client_cert_not_after_unix=until,
                                            agent_ca_cert_pem=ca.pem(self.agents.certificate))
        if self.push.get("renew") and agent not in self.renewed:
            made, until = self.agents.client(self.csrs[agent], agent)
            self.renewed[agent] = made
            yield self.pb.HeartbeatResponse(ok=True, pending_client_cert_pem=made, pending_client_cert_not_after_unix=until,
                                            agent_ca_cert_pem=ca.pem(self.agents.certificate))

    async def turn(self, context, agent, lock):
        """A new certificate, and a task that comes while the connection ends for it: a beat is still unanswered."""
        made, until = self.agents.client(self.csrs[agent], agent)
        self.renewed[agent] = made
        task = self.pb.AgentTask(task_id=f"t-{agent}-0", task_type="software_inventory")
        async with lock:
            await context.write(self.pb.HeartbeatResponse(pending_client_cert_pem=made, pending_client_cert_not_after_unix=until))
        await asyncio.sleep(0.3)
        async with lock:
            await context.write(self.pb.HeartbeatResponse(pending_task=task))

    async def tick(self, context, agent, lock):
        for message in self.pushes(agent):
            await asyncio.sleep(self.o.tick)
            async with lock:
                await context.write(message)

    async def Heartbeat(self, _, context):
        owner = await self.admit(context, "Heartbeat")
        first = await context.read()
        claims = self.tokens.verify(first.agent_id) if first is not grpc.aio.EOF else None
        if not claims:
            await self.refuse(context, "Heartbeat", grpc.StatusCode.UNAUTHENTICATED, "invalid token")
        agent = claims["sub"]
        if agent not in self.status:
            await self.refuse(context, "Heartbeat", grpc.StatusCode.NOT_FOUND, "agent not found")
        if self.status[agent] != "active":
            await self.refuse(context, "Heartbeat", grpc.StatusCode.PERMISSION_DENIED, "agent is not active")
        self.seen["first_tokens"] += 1
        if owner:
            self.seen["certificate_own" if owner == agent else "certificate_other"] += 1
            serial = self.serials.get(int(context.peer().rsplit(":", 1)[1]))
            self.seen["renewed_used"] += serial in map(ca.serial, self.renewed.values())
        await self.converse(context, agent, first)
        self.count("codes", "Heartbeat:OK")

    async def converse(self, context, agent, message):
        lock, beats = asyncio.Lock(), 0
        self.seen["streams"] += 1
        self.seen["streams_now"] += 1
        ticker = asyncio.ensure_future(self.tick(context, agent, lock))
        try:
            while message is not grpc.aio.EOF:
                beats += 1
                self.seen["beats_misnamed"] += beats > 1 and message.agent_id != agent
                self.take(agent, message)
                if self.o.latency:
                    await asyncio.sleep(self.o.latency)
                if self.push.get("turn") and beats == 3 and agent not in self.renewed:
                    await self.turn(context, agent, lock)
                async with lock:
                    await context.write(b"\xff\xff\xff" if self.o.garbage else self.reply())
                if beats == self.o.end_after:
                    return
                message = await context.read()
        finally:
            ticker.cancel()
            self.seen["streams_now"] -= 1

    async def bearer(self, context, method, expiry):
        words = dict(context.invocation_metadata()).get("authorization", "").split(" ")
        claims = self.tokens.verify(words[1], expiry) if len(words) == 2 and words[0] == "Bearer" else None
        if not claims:
            await self.refuse(context, method, grpc.StatusCode.UNAUTHENTICATED, "bearer token required")
        return claims["sub"]

    async def SubmitSoftwareInventory(self, _, context):
        await self.admit(context, "SubmitSoftwareInventory")
        agent = await self.bearer(context, "SubmitSoftwareInventory", False)
        received, chunk, last = 0, await context.read(), False
        if chunk is grpc.aio.EOF or not chunk.scan_id:
            await self.refuse(context, "SubmitSoftwareInventory", grpc.StatusCode.INVALID_ARGUMENT, "scan_id is required")
        if not chunk.scan_id.startswith(f"t-{agent}-"):
            await self.refuse(context, "SubmitSoftwareInventory", grpc.StatusCode.NOT_FOUND, "no such scan")
        if self.push.get("cancel"):  # it never answers: the agent has to let go
            await asyncio.Event().wait()
        while chunk is not grpc.aio.EOF and not last:
            received, last = received + len(chunk.packages), chunk.is_last
            chunk = await context.read() if not last else chunk
        self.seen["inventories"] += 1
        self.seen["packages"] += received
        self.count("codes", "SubmitSoftwareInventory:OK")
        return self.pb.SoftwareInventoryAck(received=received)

    async def RenewCertificate(self, request, context):
        owner = await self.admit(context, "RenewCertificate")
        answer = self.pb.RenewCertificateResponse()
        if owner and owner != request.agent_id:
            await self.refuse(context, "RenewCertificate", grpc.StatusCode.PERMISSION_DENIED, "not your certificate")
        self.sign(request.csr_der, request.agent_id, answer)
        if not answer.client_cert_pem:
            await self.refuse(context, "RenewCertificate", grpc.StatusCode.INVALID_ARGUMENT, "bad CSR")
        self.seen["renewals"] += 1
        return answer

    async def Terminal(self, _, context):
        await self.admit(context, "Terminal")
        if "authorization" not in dict(context.invocation_metadata()):
            await self.refuse(context, "Terminal", grpc.StatusCode.UNAUTHENTICATED, "authorization is missing")
        first, output = await context.read(), b""
        if first is grpc.aio.EOF or not first.session_id:
            await self.refuse(context, "Terminal", grpc.StatusCode.INVALID_ARGUMENT, "session_id is required")
        await context.write(self.pb.TerminalServerMessage(session_id=first.session_id, input=b"exit\n"))
        while (message := await context.read()) is not grpc.aio.EOF:
            output += message.output
            self.seen["terminals"] += message.WhichOneof("payload") == "closed" and bool(output)
        self.count("codes", "Terminal:OK")

    def handlers(self):
        table = {}
        for name, (request, _, streams, streamed) in wire.METHODS.items():
            if self.o.no_service or (name == "Terminal" and self.o.no_terminal):
                continue
            make = getattr(grpc, ("stream" if streams else "unary") + "_" +
                           ("stream" if streamed else "unary") + "_rpc_method_handler")
            table[name] = make(getattr(self, name), getattr(self.pb, request).FromString,
                               lambda m: m if isinstance(m, bytes) else m.SerializeToString())
        return grpc.method_handlers_generic_handler(wire.SERVICE, table)


class Server:
    def __init__(self, o):
        self.o, self.ingest = o, Ingest(o)
        self.grpc = self.front = None
        self.port, self.inner = 0, 0
        self.open = set()

    def context(self):
        o = self.o
        own = ca.Authority("server CA")
        certificate, key = own.server("localhost")
        (o.dir / "ca.pem").write_text(ca.pem(own.certificate))
        (o.dir / "server.pem").write_text(certificate + key)
        (o.dir / "agents.pem").write_text(ca.pem(self.ingest.agents.certificate))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(o.dir / "server.pem")
        if not o.no_alpn:
            context.set_alpn_protocols(["h2"])
        if o.mtls:
            context.verify_mode = ssl.CERT_OPTIONAL
            context.load_verify_locations(o.dir / "agents.pem")
            (o.dir / "operator.pem").write_text("".join(self.ingest.agents.server("operator")))
        return context

    async def chunks(self, reader):
        while data := await reader.read(65536):
            yield data

    async def refusing(self, reader):
        """The first stream with a second message is reset then, as one that was not processed (RFC 9113 8.7)."""
        seen, told = set(), False
        while True:
            head = await reader.readexactly(9)
            yield head + await reader.readexactly(int.from_bytes(head[:3], "big"))
            stream, is_data = head[5:], head[3] == 0
            if is_data and stream in seen and not told:
                told = True
                yield b"\0\0\4\3\0" + stream + b"\0\0\0\7"
            if is_data:
                seen.add(stream)

    async def pipe(self, chunks, writer):
        try:
            async for data in chunks:
                writer.write(data)
                await writer.drain()
        except (EOFError, ConnectionError, ssl.SSLError, OSError):
            pass
        finally:
            if writer.can_write_eof():
                writer.write_eof()
            else:
                writer.close()

    async def accept(self, reader, writer):
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self.inner)
        local = inner_writer.get_extra_info("sockname")[1]
        certificate = writer.get_extra_info("peercert")
        self.ingest.seen["connections"] += 1
        if certificate:
            subject = dict(item[0] for item in certificate["subject"])
            self.ingest.certificates[local] = subject["commonName"]
            self.ingest.serials[local] = int(certificate["serialNumber"], 16)
        self.open.add(writer)
        back = self.refusing(inner_reader) if self.o.refuse else self.chunks(inner_reader)
        await asyncio.gather(self.pipe(self.chunks(reader), inner_writer), self.pipe(back, writer))
        self.open.discard(writer)
        self.ingest.certificates.pop(local, None)
        for w in (writer, inner_writer):
            w.close()

    async def listen(self):
        self.grpc = grpc.aio.server(options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", 4 << 20),
                                             ("grpc.max_concurrent_streams", self.o.streams),
                                             ("grpc.http2.min_ping_interval_without_data_ms", 10000)])
        self.grpc.add_generic_rpc_handlers((self.ingest.handlers(),))
        self.inner = self.grpc.add_insecure_port("127.0.0.1:0")
        await self.grpc.start()

    def report(self):
        seen = dict(self.ingest.seen, agents=len(self.ingest.by_key), uses=self.ingest.uses,
                    beats_of={a: [round(t, 4) for t in times] for a, times in self.ingest.beats.items()})
        temporary = self.o.dir / "report.tmp"
        temporary.write_text(json.dumps(seen))
        temporary.rename(self.o.dir / "report.json")

    async def restart(self):
        old = self.grpc
        await self.listen()
        await old.stop(0.5)

    def cut(self):
        for writer in list(self.open):
            writer.transport.abort()

    async def run(self):
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, done.set)
        loop.add_signal_handler(signal.SIGINT, done.set)
        loop.add_signal_handler(signal.SIGUSR1, lambda: asyncio.ensure_future(self.restart()))
        loop.add_signal_handler(signal.SIGUSR2, self.cut)
        await self.listen()
        self.front = await asyncio.start_server(self.accept, "127.0.0.1", 0, backlog=4096,
                                                ssl=None if self.o.plain else self.context())
        self.port = self.front.sockets[0].getsockname()[1]
        (self.o.dir / "port.tmp").write_text(f"{self.port}\n")
        os.rename(self.o.dir / "port.tmp", self.o.dir / "port")
        while not done.is_set():
            self.report()
            try:
                await asyncio.wait_for(done.wait(), 0.2)
            except asyncio.TimeoutError:
                pass
        self.front.close()
        await self.grpc.stop(0)
        self.report()


if __name__ == "__main__":
    wire.run(lambda: asyncio.run(Server(arguments()).run()))
