#!/usr/bin/python3
"""hostile.py CERT KEY FOLDER - servers that break every rule, each on a port of its own.

Writes FOLDER/hostile.yaml, a suite with one phase for each of them, and FOLDER/expected.json, the outcome and
the words that each has to end with; then serves until its standard input ends.  The suite passes if every
operation failed (or, where the peer is only odd, if none did).
"""
import json
import pathlib
import re
import socket
import ssl
import struct
import sys
import threading

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
scenarios = []


def scenario(name, outcome, words, serve, scheme="http", **options):
    scenarios.append({"name": name, "outcome": outcome, "words": words, "serve": serve, "scheme": scheme, "options": options})


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def wait(s):
    """Until the client has gone."""
    while s.recv(65536):
        pass


def read_head(s):
    data = b""
    while b"\r\n\r\n" not in data:
        got = s.recv(65536)
        if not got:
            raise ConnectionError
        data += got
    return data


def says(answer, then=wait):
    def serve(s):
        read_head(s)
        s.sendall(answer)
        then(s)
    return serve


def endlessly(begin, again):
    again *= max(1, 65536 // len(again))

    def serve(s):
        read_head(s)
        s.sendall(begin)
        while True:
            s.sendall(again)
    return serve


def close(_):
    pass


PROTOCOL, RESET, TIMEOUT, TLS = "protocol error", "connection reset", "timeout", "TLS failure"

# The status line and the head.
scenario("no-status-line", PROTOCOL, "does not begin with HTTP", says(b"220 smtp.example.com ESMTP\r\n\r\n"))
scenario("wrong-version", PROTOCOL, "", says(b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"))
scenario("status-not-a-number", PROTOCOL, "", says(b"HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n"))
scenario("status-of-four-digits", PROTOCOL, "", says(b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"))
scenario("status-below-100", PROTOCOL, "", says(b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n"))
scenario("endless-status-line", PROTOCOL, "", endlessly(b"HTTP/1.1 200 ", b"A"))
scenario("endless-name", PROTOCOL, "", endlessly(HEAD, b"A"))
scenario("endless-value", PROTOCOL, "", endlessly(HEAD + b"X: ", b"A"))
scenario("endless-fields", PROTOCOL, "", endlessly(HEAD, b"X: y\r\n"))
scenario("too-many-fields", PROTOCOL, "", says(HEAD + b"a:b\r\n" * 300 + b"\r\n"))
scenario("field-of-a-megabyte", PROTOCOL, "", says(HEAD + b"X: " + b"y" * (1 << 20) + b"\r\nContent-Length: 0\r\n\r\n"))
scenario("nul-in-a-field", PROTOCOL, "", says(HEAD + b"X: a\0b\r\nContent-Length: 0\r\n\r\n"))
scenario("bare-cr", PROTOCOL, "", says(HEAD + b"X: a\rb\r\nContent-Length: 0\r\n\r\n"))
scenario("folded-field", PROTOCOL, "", says(HEAD + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n"))
scenario("space-before-colon", PROTOCOL, "", says(HEAD + b"Content-Length : 2\r\n\r\nok"))
scenario("field-without-colon", PROTOCOL, "", says(HEAD + b"nonsense\r\nContent-Length: 0\r\n\r\n"))
scenario("endless-interim-answers", PROTOCOL, "interim", endlessly(b"", b"HTTP/1.1 102 Processing\r\n\r\n"))
scenario("switching-unasked", "unexpected answer", "status 101", says(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nok"))

# Lengths and chunks.
for name, value in (("negative", b"-1"), ("signed", b"+2"), ("hex", b"0x2"), ("list", b"2, 3"), ("empty", b""),
                    ("beyond-64-bits", b"18446744073709551618")):
    scenario(f"length-{name}", PROTOCOL, "content-length", says(HEAD + b"Content-Length: " + value + b"\r\n\r\nok"))
scenario("two-lengths", PROTOCOL, "content-length", says(HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok"))
scenario("length-and-chunks", PROTOCOL, "", says(HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"))
scenario("unknown-coding", PROTOCOL, "", says(HEAD + b"Transfer-Encoding: gzip\r\n\r\nok"))
scenario("chunked-twice", PROTOCOL, "", says(HEAD + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"))
for name, size in (("negative", b"-1"), ("not-hex", b"xyz"), ("empty", b""), ("beyond-64-bits", b"1" + b"0" * 16),
                   ("spaced", b"2 2")):
    scenario(f"chunk-{name}", PROTOCOL, "chunk", says(CHUNKED + size + b"\r\nok\r\n0\r\n\r\n"))
scenario("chunk-longer-than-said", PROTOCOL, "chunk", says(CHUNKED + b"2\r\nokok\r\n0\r\n\r\n"))
scenario("chunk-extension-endless", PROTOCOL, "", endlessly(CHUNKED + b"2;", b"a"))
scenario("trailers-endless", PROTOCOL, "", endlessly(CHUNKED + b"0\r\n", b"X: y\r\n"))
scenario("chunk-of-8-exabytes", RESET, "inside", says(CHUNKED + b"7fffffffffffffff\r\nok", close))
scenario("length-of-8-exabytes", RESET, "inside", says(HEAD + b"Content-Length: 9223372036854775807\r\n\r\nok", close))
scenario("body-too-short", RESET, "inside the body", says(HEAD + b"Content-Length: 10\r\n\r\nok", close))
scenario("last-chunk-missing", RESET, "inside", says(CHUNKED + b"2\r\nok\r\n", close))
scenario("endless-body", TIMEOUT, "incomplete|no first byte", endlessly(HEAD + b"\r\n", b"a"), timeout="200ms", max_body="1KiB")
scenario("endless-chunks", TIMEOUT, "incomplete|no first byte", endlessly(CHUNKED, b"1\r\na\r\n"), timeout="200ms", max_body="1KiB")
scenario("body-for-204", "", "", says(b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 500 smuggled\r\n\r\n"))
scenario("two-answers-to-one", "", "", says(OK + OK.replace(b"200", b"500")))

# Ends.
scenario("close-at-once", RESET, "", close)
scenario("close-before-answer", RESET, "before any answer", says(b"", close))
scenario("close-in-head", RESET, "inside the head", says(HEAD + b"Content-Le", close))
scenario("reset-before-answer", RESET, "reset", says(b"", reset))
scenario("reset-in-body", RESET, "", says(HEAD + b"Content-Length: 10\r\n\r\nok", reset))
scenario("silence", TIMEOUT, "no first byte", wait, timeout="200ms")


def drip(s):
    read_head(s)
    done = threading.Event()
    for byte in HEAD + b"X: slow\r\n\r\n":
        s.sendall(bytes([byte]))
        done.wait(0.05)


scenario("one-byte-at-a-time", TIMEOUT, "no first byte|incomplete", drip, timeout="200ms")


# TLS, at each stage.
def raw_tls(answer, then=wait):
    def serve(s):
        s.recv(65536)
        s.sendall(answer)
        then(s)
    return serve


def record(kind, body, version=b"\3\3"):
    return bytes([kind]) + version + struct.pack(">H", len(body)) + body


def alert(code):
    return record(21, bytes([2, code]))


def flight(cut, then, spoil=False):
    """A server's true first flight, up to `cut` of it."""
    def serve(s):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1], sys.argv[2])
        into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(into, out, server_side=True)
        into.write(s.recv(65536))
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        data = bytearray(out.read())
        data = data[:int(len(data) * cut)]
        if spoil:
            data[-1] ^= 1
        s.sendall(data)
        then(s)
    return serve


def after_handshake(then, asks=False):
    def serve(s):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1], sys.argv[2])
        if asks:  # for a certificate, and needs none
            context.load_verify_locations(sys.argv[1])
            context.verify_mode = ssl.CERT_OPTIONAL
        below = s.dup()
        try:
            then(context.wrap_socket(s, server_side=True, suppress_ragged_eofs=False), below)
        except ssl.SSLError:
            pass
        below.close()
    return serve


def flood(piece):
    def serve(s):
        s.recv(65536)
        while True:
            s.sendall(piece * 512)
    return serve


def https(name, outcome, words, serve, **options):
    scenario(name, outcome, words, serve, "https", **options)


https("plain-http", TLS, "does not speak TLS", raw_tls(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
https("alert-for-hello", TLS, "alert handshake_failure", raw_tls(alert(40)))
https("alert-unrecognized-name", TLS, "alert", raw_tls(alert(112)))
https("garbage-for-hello", TLS, "", raw_tls(bytes(range(256)) * 4))
https("record-too-long", TLS, "", raw_tls(b"\x16\3\3\xff\xff" + b"a" * 65535))
https("empty-records", TLS, "", flood(record(22, b"")))
https("warnings-without-end", TLS, "", flood(record(21, b"\1\x5a")))
https("changes-without-end", TLS, "", flood(record(20, b"\1")))
https("hello-of-16-megabytes", TLS, "", flood(record(22, b"\2\xff\xff\xff" + b"a" * 16000)))
https("close-for-hello", RESET, "", raw_tls(b"", close))
https("reset-for-hello", RESET, "reset", raw_tls(b"", reset))
https("silence-for-hello", TIMEOUT, "no TLS handshake", wait, timeout="200ms")
for part in (0.03, 0.3, 0.7, 0.95):
    https(f"close-at-{int(part * 100)}-percent-of-the-flight", RESET, "", flight(part, close))
    https(f"silence-at-{int(part * 100)}-percent-of-the-flight", TIMEOUT, "no TLS handshake", flight(part, wait), timeout="200ms")
https("alert-in-the-flight", TLS, "", flight(1.0, lambda s: (s.sendall(alert(80)), wait(s))))
https("flight-spoilt", TLS, "", flight(1.0, wait, True))
https("reset-after-the-flight", RESET, "", flight(1.0, reset))
https("close-behind-the-handshake", RESET, "closed", after_handshake(lambda tls, s: tls.recv(65536)))
https("reset-behind-the-handshake", RESET, "reset", after_handshake(lambda tls, s: (tls.recv(65536), reset(s))))
https("garbage-behind-the-handshake", TLS, "", after_handshake(
    lambda tls, s: (tls.recv(65536), s.sendall(record(23, b"a" * 100)), wait(s))))
https("body-cut-by-tls", RESET, "closed", after_handshake(
    lambda tls, s: (tls.recv(65536), tls.sendall(HEAD + b"Content-Length: 10\r\n\r\nok"))))
https("certificate-asked-for-no-farewell", "", "", after_handshake(lambda tls, _: tls.recv(1), True), driver="tls")


# HTTP/2, by prior knowledge.
def frame(kind, flags=0, stream=0, body=b""):
    return struct.pack(">I", len(body))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + body


SETTINGS, PING = frame(4), frame(6, 0, 0, b"........")
ANSWER = frame(1, 5, 1, b"\x88")


def frames(s):
    """The client's frames: kind, flags, stream, body."""
    data = b""
    while len(data) < 24:
        got = s.recv(65536)
        if not got:
            return
        data += got
    data = data[24:]
    while True:
        while len(data) < 9 or len(data) < 9 + int.from_bytes(data[:3], "big"):
            got = s.recv(65536)
            if not got:
                return
            data += got
        size = int.from_bytes(data[:3], "big")
        yield data[3], data[4], int.from_bytes(data[5:9], "big"), data[9:9 + size]
        data = data[9 + size:]


def h2_says(data, then=wait, settings=SETTINGS):
    """Its settings at once, and `data` to the first request."""
    def serve(s):
        s.sendall(settings)
        for kind, _, _, _ in frames(s):
            if kind == 1:
                s.sendall(data)
                then(s)
                return
    return serve


def h2_floods(begin, again):
    def forever(s):
        while True:
            s.sendall(again * max(1, 65536 // len(again)))
    return h2_says(begin, forever)


def h2c(name, outcome, words, serve, **options):
    options = {"connection": "new", **options}
    scenario(name, outcome, words, serve, "http", protocol="h2c", **options)


def goaway(last, code=0):
    return frame(7, 0, 0, struct.pack(">II", last, code))


def setting(ident, value):
    return frame(4, 0, 0, struct.pack(">HI", ident, value))


h2c("h2-answers-in-http1", PROTOCOL, "", h2_says(b"", settings=b"HTTP/1.1 400 Bad Request\r\n\r\n"))
h2c("h2-ping-before-settings", PROTOCOL, "", h2_says(b"", settings=PING))
h2c("h2-settings-of-5-bytes", PROTOCOL, "", h2_says(frame(4, 0, 0, b"12345")))
h2c("h2-frame-too-large", PROTOCOL, "", h2_says(frame(0, 0, 1, b"a" * 16385)))
h2c("h2-frame-size-below-16384", PROTOCOL, "", h2_says(setting(5, 100)))
h2c("h2-window-beyond-31-bits", PROTOCOL, "", h2_says(setting(4, 1 << 31)))
h2c("h2-increment-0", PROTOCOL, "", h2_says(frame(8, 0, 0, b"\0\0\0\0")))
h2c("h2-window-overflow", PROTOCOL, "", h2_says(frame(8, 0, 0, b"\x7f\xff\xff\xff")))
h2c("h2-data-on-stream-0", PROTOCOL, "", h2_says(frame(0, 0, 0, b"a")))
h2c("h2-data-for-nobody", PROTOCOL, "", h2_says(frame(0, 0, 99, b"a")))
h2c("h2-data-before-head", PROTOCOL, "", h2_says(frame(0, 1, 1, b"a")))
h2c("h2-even-stream", PROTOCOL, "", h2_says(frame(1, 5, 2, b"\x88")))
h2c("h2-push", PROTOCOL, "", h2_says(frame(4, 1) + frame(5, 4, 1, struct.pack(">I", 2) + b"\x82")))
h2c("h2-padding-beyond-frame", PROTOCOL, "", h2_says(frame(0, 8, 1, b"\xffa")))
h2c("h2-hpack-index-0", PROTOCOL, "", h2_says(frame(1, 5, 1, b"\x80")))
h2c("h2-hpack-index-unknown", PROTOCOL, "", h2_says(frame(1, 5, 1, b"\xff\xff\xff\x7f")))
h2c("h2-hpack-table-too-large", PROTOCOL, "", h2_says(frame(1, 5, 1, b"\x3f\xff\xff\xff\x0f\x88")))
h2c("h2-hpack-string-cut", PROTOCOL, "", h2_says(frame(1, 5, 1, b"\x88\0\x7f")))
h2c("h2-no-status", PROTOCOL, "", h2_says(frame(1, 5, 1, b"\0\1x\1y")))
h2c("h2-status-twice", PROTOCOL, "", h2_says(frame(1, 5, 1, b"\x88\x88")))
h2c("h2-upper-case-name", PROTOCOL, "", h2_says(frame(1, 5, 1, b"\x88\0\1X\1y")))
h2c("h2-connection-field", PROTOCOL, "", h2_says(frame(1, 5, 1, b"\x88\0\x0aconnection\5close")))
h2c("h2-length-not-kept", PROTOCOL, "", h2_says(frame(1, 4, 1, b"\x88\x0f\x0d\x015") + frame(0, 1, 1, b"ok")))
h2c("h2-head-broken-off", PROTOCOL, "", h2_says(frame(1, 0, 1, b"\x88") + PING))
h2c("h2-header-bomb", PROTOCOL, "64 KiB", h2_says(
    frame(1, 5, 1, b"\x88\x40\1a\x7f\xa1\x1e" + b"v" * 4000 + b"\xbe" * 12000)))
h2c("h2-continuations-without-end", PROTOCOL, "", h2_floods(frame(1, 0, 1, b"\x88"), frame(9, 0, 1, b"\0\1x\1y" * 100)))
h2c("h2-empty-continuations", PROTOCOL, "", h2_floods(frame(1, 0, 1, b"\x88"), frame(9, 0, 1)))
h2c("h2-settings-flood", PROTOCOL, "", h2_floods(b"", SETTINGS))
h2c("h2-ping-flood", PROTOCOL, "", h2_floods(b"", PING))
h2c("h2-priority-flood", PROTOCOL, "", h2_floods(b"", frame(2, 0, 1, b"\0\0\0\0\1")))
h2c("h2-reset-flood", PROTOCOL, "", h2_floods(frame(1, 4, 1, b"\x88"), frame(3, 0, 3, b"\0\0\0\0")))
h2c("h2-window-flood", PROTOCOL, "", h2_floods(b"", frame(8, 0, 0, b"\0\0\0\1")))
h2c("h2-empty-data-flood", PROTOCOL, "", h2_floods(frame(1, 4, 1, b"\x88"), frame(0, 0, 1)))
h2c("h2-interim-flood", PROTOCOL, "", h2_floods(b"", frame(1, 4, 1, b"\x08\x03103")))
h2c("h2-unknown-frames-flood", PROTOCOL, "", h2_floods(b"", frame(0xc0, 0, 0, b"a" * 16000)))
h2c("h2-beyond-the-window", PROTOCOL, "", h2_floods(frame(1, 4, 1, b"\x88"), frame(0, 0, 1, b"a" * 16384)))
h2c("h2-reset-refused", RESET, "not processed", h2_says(frame(3, 0, 1, struct.pack(">I", 7))))
h2c("h2-reset-cancel", RESET, "CANCEL", h2_says(frame(3, 0, 1, struct.pack(">I", 8))))
h2c("h2-reset-code-unknown", RESET, "", h2_says(frame(3, 0, 1, struct.pack(">I", 0xdeadbeef))))
h2c("h2-reset-in-body", RESET, "INTERNAL_ERROR", h2_says(
    frame(1, 4, 1, b"\x88") + frame(0, 0, 1, b"ok") + frame(3, 0, 1, struct.pack(">I", 2))))
h2c("h2-goaway-before-all", RESET, "not processed", h2_says(goaway(0), close))
h2c("h2-goaway-in-anger", RESET, "ENHANCE_YOUR_CALM", h2_says(goaway(1, 11), close))
h2c("h2-goaway-and-close", RESET, "", h2_says(goaway(1), close))
h2c("h2-close", RESET, "", h2_says(b"", close))
h2c("h2-tcp-reset", RESET, "", h2_says(b"", reset))
h2c("h2-silence", TIMEOUT, "no first byte", h2_says(b""), timeout="200ms")
h2c("h2-silence-from-the-start", TIMEOUT, "no first byte|not taken", wait, timeout="200ms")
h2c("h2-body-without-end", TIMEOUT, "incomplete|no first byte", h2_says(frame(1, 4, 1, b"\x88") + frame(0, 0, 1, b"a" * 1000)), timeout="200ms")
h2c("h2-no-streams", TIMEOUT, "", h2_says(b"", settings=setting(3, 0)), timeout="200ms")
h2c("h2-window-0", TIMEOUT, "not taken", h2_says(b"", settings=setting(4, 0)), timeout="200ms", method="POST", body="b" * 100000)


# Odd, and right.
def answers(s, each):
    """Answers each request by what `each` makes of its stream."""
    s.sendall(SETTINGS)
    n = 0
    for kind, flags, stream, body in frames(s):
        if kind == 6 and not flags & 1:
            s.sendall(frame(6, 1, 0, body))
        if kind == 1 and flags & 1 or kind == 0 and flags & 1:
            n += 1
            s.sendall(each(n, stream))


def answer(stream, body=b"ok"):
    return frame(1, 4, stream, b"\x88") + frame(0, 1, stream, body)


def odd(name, each, **options):
    h2c(name, "", "", lambda s: answers(s, each), connection="keep", **options)


odd("h2-odd-goaway-and-answer", lambda n, stream: goaway(0x7fffffff) + answer(stream))
odd("h2-odd-limit-sinks", lambda n, stream: setting(3, 1) + answer(stream), streams=8, connections=1)
odd("h2-odd-window-shrinks", lambda n, stream: setting(4, 1) + answer(stream))
odd("h2-odd-padding-and-unknown-frames", lambda n, stream: frame(0xfe, 0, 0, b"x") + frame(1, 12, stream, b"\2\x88\0\0") +
    frame(0, 9, stream, b"\3ok\0\0\0") + frame(10, 0, 0, b"\0\0"))
odd("h2-odd-pings-in-between", lambda n, stream: PING * 10 + frame(1, 4, stream, b"\x88") + PING * 10 + frame(0, 1, stream, b"ok"))
odd("h2-odd-early-hints", lambda n, stream: frame(1, 4, stream, b"\x08\x03103") * 3 + answer(stream))
odd("h2-odd-trailers", lambda n, stream: frame(1, 4, stream, b"\x88") + frame(0, 0, stream, b"ok") + frame(1, 5, stream, b"\0\1x\1y"))


def refuse_two_of_three(s):
    """Two of three streams are refused; they have to come again, and are then answered."""
    answers(s, lambda n, stream: frame(3, 0, stream, struct.pack(">I", 7)) if n % 3 else answer(stream))


h2c("h2-odd-refused-twice", "", "", refuse_two_of_three, vus=1, connection="keep")


def windows_by_drops(s):
    """Takes a large body in small windows, and sends one within the client's."""
    s.sendall(setting(4, 1000))
    for kind, flags, stream, body in frames(s):
        if kind == 0 and body:
            s.sendall(frame(8, 0, stream, struct.pack(">I", len(body))) + frame(8, 0, 0, struct.pack(">I", len(body))))
        if kind == 0 and flags & 1:
            s.sendall(answer(stream))


h2c("h2-odd-small-windows", "", "", windows_by_drops, method="POST", body="b" * 100000)


def serve_all(listener, serve):
    def one(s):
        with s:
            try:
                serve(s)
            except OSError:
                pass
    while True:
        s, _ = listener.accept()
        threading.Thread(target=one, args=(s,), daemon=True).start()


def phase(s):
    options = {"timeout": "20s", **s["options"]}
    vus = options.pop("vus", 2)
    name, driver = s["name"], options.pop("driver", "http")
    limit = "rate==100%" if s["outcome"] else "rate==0%"
    return {"name": name, driver: {"target": name, **options},
            "load": {"executor": "per-vu-iterations", "vus": vus, "iterations": 2}, "thresholds": {"op_failed": limit}}


def main():
    folder = pathlib.Path(sys.argv[3])
    targets = {}
    for s in scenarios:
        listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        targets[s["name"]] = {"url": f"{s['scheme']}://127.0.0.1:{listener.getsockname()[1]}/", "tls": {"verify": False}}
        threading.Thread(target=serve_all, args=(listener, s["serve"]), daemon=True).start()
    (folder / "hostile.yaml").write_text(json.dumps({"suite": "hostile", "targets": targets, "phases": [phase(s) for s in scenarios]}))
    expected = {s["name"]: [s["outcome"], s["words"]] for s in scenarios}
    (folder / "expected.json").write_text(json.dumps(expected))
    (folder / "ready").touch()
    sys.stdin.read()


def judge(result, expected, most_mb):
    """hostile.py --judge RESULT EXPECTED MEGABYTES: one line for each mistake."""
    result, expected = (json.loads(pathlib.Path(p).read_text()) for p in (result, expected))
    wrong = []
    for p in result["phases"]:
        outcome, words = expected[p["name"]]
        errors = p["steps"][0]["errors"]
        seen = "; ".join(f"{e['outcome']}: {e['why']}" for e in errors)
        if outcome and not (errors and all(e["outcome"] == outcome and re.search(words, e["why"]) for e in errors)) or not outcome and errors:
            wrong.append(f"{p['name']}: expected {outcome or 'success'} ({words}), saw {seen or 'success'}")
    if result["monitor"]["peak_rss"] > float(most_mb) * 1e6:
        wrong.append(f"peak memory {result['monitor']['peak_rss'] / 1e6:.0f} MB")
    print(f"{len(expected)} hostile servers", *wrong, sep="\n")
    sys.exit(bool(wrong))


if sys.argv[1] == "--judge":
    judge(*sys.argv[2:5])
main()
