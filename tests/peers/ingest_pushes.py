#!/usr/bin/python3
"""ingest_pushes.py - what our server gives agents by script, seen by Google's gRPC.

    ingest_pushes.py ADDRESS --ca FILE --token T

Prints "ok - ..." or "not ok - ..." for each sentence; the script is the one of tests/live/test_ingest.sh.
"""
import argparse
import pathlib
import sys
import time

import grpc

import ingest_client
from ingest_client import CODES, Beats, World, code_of, say
import wire


def is_push(r):
    return bool(r.pending_queries or r.pending_task.task_id or r.cancel_task_ids or r.pending_client_cert_pem
                or r.pending_terminal_sessions)


class Stream(Beats):
    """Replies and pushes, told apart by their content."""

    def __init__(self, agent):
        super().__init__(agent)
        self.agent, self.pushes, self.first = agent, [], True

    def reply(self, **fields):
        self.send(self.agent.request(self.first, **fields))
        self.first = False
        while True:
            r = next(self.replies)
            if not is_push(r):
                return r
            self.pushes.append(r)

    def pushed(self):
        return self.pushes.pop(0) if self.pushes else next(self.replies)


def inventory(w, a, scan):
    def chunks():
        for i in range(2):
            yield w.pb.SoftwareInventoryChunk(scan_id=scan, source="loadtest", chunk_index=i, is_last=i == 1,
                                              packages=[w.pb.SoftwarePackage(name=f"p{i}-{n}", version="1.0.0",
                                                                             architecture="amd64") for n in range(500)])
    return a.call("SubmitSoftwareInventory")(chunks(), timeout=20,
                                             metadata=[("authorization", f"Bearer {a.answer.jwt_token}")]).received


def check_queries(w, s):
    r = s.reply()
    say(r.ok and [(c.check_id, c.interval_seconds) for c in r.checks] == [("cpu", 30)], "a reply has the checks")
    s.reply(check_results=[w.pb.CheckResult(check_id="cpu", status="pass", duration_ms=10)])
    q = s.pushed().pending_queries
    say(len(q) == 1 and q[0].query_type == "list_ports", "the second beat brings a query")
    s.reply(query_results=[w.pb.AgentQueryResult(query_id=q[0].query_id, query_type="list_ports", status="ok")])


def check_tasks(w, s, a):
    task = s.pushed().pending_task
    say(task.task_type == "software_inventory", "the third a task")
    say(inventory(w, a, task.task_id) == 1000, "whose inventory is taken")
    s.reply()
    task = s.pushed().pending_task
    say(task.task_type == "run_script" and task.config_json == '{"script":"true"}', "the fourth another, with its settings")
    s.reply()
    say(list(s.pushed().cancel_task_ids) == [task.task_id], "the fifth cancels it")
    s.reply(task_results=[w.pb.AgentTaskResult(task_id=task.task_id, task_type="run_script", exit_code=1)])


def check_terminal(w, s, a):
    session = s.pushed().pending_terminal_sessions[0]
    say((session.cols, session.rows) == (80, 24), "the seventh asks for a terminal")
    requests = [w.pb.TerminalAgentMessage(session_id=session.session_id),
                w.pb.TerminalAgentMessage(session_id=session.session_id, output=b"$ "),
                w.pb.TerminalAgentMessage(session_id=session.session_id, closed=w.pb.TerminalClosedMsg(exit_code=0))]
    call = a.call("Terminal")(iter(requests), timeout=20, metadata=[("authorization", "x")])
    got = [m.WhichOneof("payload") for m in call]
    say(got == ["resize", "input"] and call.code() == CODES.OK, "which is resized, typed into and closed", str(got))
    say(code_of(lambda: a.call("Terminal")(iter(requests), timeout=20)) == CODES.UNAUTHENTICATED,
        "a terminal without authorization is refused")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("address")
    p.add_argument("--ca", type=pathlib.Path)
    p.add_argument("--token", default="peer-token")
    w = World(p.parse_args())
    w.o.name = None
    a = w.agent("0000")
    a.register()
    a.identify()
    s = Stream(a)
    check_queries(w, s)
    check_tasks(w, s, a)
    s.reply()
    check_terminal(w, s, a)
    begin = time.monotonic()
    s.reply()
    say(time.monotonic() - begin >= 0.2, "the reply to the eighth is held back")
    s.reply()
    s.send(a.request())
    try:
        list(s.replies)
    except grpc.RpcError:
        pass
    say((s.replies.code(), s.replies.details()) == (CODES.UNAVAILABLE, "50% done"), "the tenth ends the stream, with a message")
    codes = [code_of(lambda: a.call("RenewCertificate")(w.pb.RenewCertificateRequest(
        agent_id=a.answer.agent_id, csr_der=a.key.csr()), timeout=20)) for _ in range(3)]
    say(codes == [CODES.OK, CODES.ABORTED, CODES.OK], "every second call of a method fails", str(codes))
    sys.exit(1 if ingest_client.failures else 0)


if __name__ == "__main__":
    wire.run(main)
