#!/usr/bin/python3
"""acme_faults.py PORT_FILE LOG - an ACME server that misbehaves as its path asks: /FAULT/dir.

It also is the independent reader of what the driver signs: every JWS is verified with another library,
its nonce has to be one that was given out and not used, its url the one it was sent to.  What does not
hold is written to LOG.  /FAULT/ of "none" behaves.
"""
import base64
import datetime
import http.server
import json
import os
import sys
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.x509.oid import NameOID

LOCK = threading.Lock()
NONCES = set()
ACCOUNTS = {}  # url -> [public key, jwk]
ORDERS = {}
DECLINED = set()  # who asked for what: "some-bad-nonces" declines each first request
COUNT = {"signed": 0, "ES256": 0, "EdDSA": 0, "RS256": 0}
EAB_KEY = b"0123456789abcdef0123456789abcdef"
URN = "urn:ietf:params:acme:error:"


def b64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def unb64(text):
    if "=" in text:
        raise ValueError("padding in base64url")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def number(text):
    return int.from_bytes(unb64(text), "big")


def key_of(jwk):
    if jwk["kty"] == "EC":
        if len(unb64(jwk["x"])) != 32 or len(unb64(jwk["y"])) != 32:
            raise ValueError("a coordinate is not 32 bytes")
        return ec.EllipticCurvePublicNumbers(number(jwk["x"]), number(jwk["y"]), ec.SECP256R1()).public_key()
    if jwk["kty"] == "OKP":
        return ed25519.Ed25519PublicKey.from_public_bytes(unb64(jwk["x"]))
    return rsa.RSAPublicNumbers(number(jwk["e"]), number(jwk["n"])).public_key()


def verify(key, alg, jws):
    text, signature = f"{jws['protected']}.{jws['payload']}".encode(), unb64(jws["signature"])
    if alg == "ES256":
        if len(signature) != 64:
            raise ValueError("an ES256 signature is not 64 bytes")
        r, s = (int.from_bytes(part, "big") for part in (signature[:32], signature[32:]))
        key.verify(utils.encode_dss_signature(r, s), text, ec.ECDSA(hashes.SHA256()))
    elif alg == "EdDSA":
        key.verify(signature, text)
    else:
        key.verify(signature, text, padding.PKCS1v15(), hashes.SHA256())


def thumbprint(jwk):
    names = {"EC": ["crv", "kty", "x", "y"], "OKP": ["crv", "kty", "x"], "RSA": ["e", "kty", "n"]}[jwk["kty"]]
    digest = hashes.Hash(hashes.SHA256())
    digest.update(json.dumps({n: jwk[n] for n in names}, separators=(",", ":"), sort_keys=True).encode())
    return b64(digest.finalize())


def authority(name):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return key, subject, sign(subject, key.public_key(), subject, key, [], True)


def sign(subject, public, issuer, key, names, ca=False, days=5):
    now = datetime.datetime.utcnow()
    b = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
         .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=9))
         .not_valid_after(now + datetime.timedelta(days=days)).add_extension(x509.BasicConstraints(ca, None), True)
         .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), False))
    if names:
        b = b.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), False)
    return b.sign(key, hashes.SHA256())


CA_KEY, CA_NAME, CA = authority("faulty CA")
OTHER_KEY, _, OTHER = authority("faulty CA")


def pem(*certs):
    return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in certs)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one write

    def log_message(self, *_):
        pass

    def complain(self, what):
        with LOCK, open(sys.argv[2], "a") as log:
            log.write(f"{self.command} {self.path}: {what}\n")

    def nonce(self):
        n = b64(os.urandom(12))
        with LOCK:
            NONCES.add(n)
        return n

    def say(self, status, body, kind="application/json", **fields):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        if kind:
            self.send_header("Content-Type", kind)
        if self.fault != "no-nonce":
            self.send_header("Replay-Nonce", "a=b" if self.fault == "odd-nonce" else self.nonce())
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def problem(self, status, name, detail, **fields):
        self.say(status, {"type": URN + name, "detail": detail, "status": status}, "application/problem+json", **fields)

    def split(self):
        _, self.fault, self.rest = self.path.split("/", 2)
        self.base = f"http://{self.headers['Host']}/{self.fault}/"

    def directory(self):
        d = {n: self.base + n for n in ("newNonce", "newAccount", "newOrder", "revokeCert", "keyChange", "renewalInfo")}
        d["meta"] = {"termsOfService": "https://example.test/terms"}
        if self.fault == "no-new-nonce":
            del d["newNonce"]
        if self.fault == "elsewhere":
            d["newOrder"] = "https://evil.example.test/order"
        return d

    def do_HEAD(self):
        self.split()
        self.say(200, b"", None)

    def do_GET(self):
        self.split()
        if self.rest == "dir":
            self.get_directory()
        elif self.rest.startswith("renewalInfo/"):
            self.renewal()
        elif self.rest == "counts":
            self.say(200, COUNT)
        else:
            self.problem(404, "malformed", "nothing here")

    def get_directory(self):
        if self.fault == "html":
            self.say(200, b"<!doctype html>\n<html><title>a dashboard</title></html>", "text/html; charset=utf-8")
        elif self.fault == "broken-json":
            self.say(200, b'{"newNonce": "htt', "application/json")
        elif self.fault == "wrong-type":
            self.say(200, self.directory(), "text/plain")
        elif self.fault == "large":
            self.say(200, {"newNonce": "x" * 100000})
        elif self.fault == "plain-429":
            self.say(429, b'{"error":"Rate limit exceeded"}', "text/plain; charset=utf-8", Retry_After="1")
        elif self.fault == "acme-429":
            self.problem(429, "rateLimited", "too many directories", Retry_After="7")
        elif self.fault == "urn-429":
            self.problem(429, "malformed", "not a rate limit")
        else:
            self.say(200, self.directory())

    def renewal(self):
        if self.fault == "no-window":
            self.say(200, {"suggestedWindow": {"start": "2026-01-02T03:04:05Z"}})
        elif self.rest.endswith("/aaaa.bbbb"):
            self.problem(404, "malformed", "no such certificate")
        else:
            self.say(200, {"suggestedWindow": {"start": "2026-01-02T03:04:05.5Z", "end": "2026-01-03T03:04:05+01:00"}})

    def check_jws(self, jws):
        head = json.loads(unb64(jws["protected"]))
        if self.headers["Content-Type"] != "application/jose+json":
            self.complain("content type")
        if set(jws) != {"protected", "payload", "signature"}:
            self.complain("members of the JWS")
        if head["url"] != self.base + self.rest:
            self.complain("url of the JWS")
        if ("jwk" in head) == ("kid" in head):
            self.complain("both or neither of jwk and kid")
        if ("jwk" in head) != (self.rest == "newAccount"):
            self.complain("jwk where kid belongs")
        with LOCK:
            fresh = head["nonce"] in NONCES
            NONCES.discard(head["nonce"])
        if not fresh:
            self.complain("a nonce that was not given out, or twice")
        jwk = head["jwk"] if "jwk" in head else ACCOUNTS[head["kid"]][1]
        verify(key_of(jwk), head["alg"], jws)
        with LOCK:
            COUNT["signed"] += 1
            COUNT[head["alg"]] += 1
        return head, jwk

    def do_POST(self):
        self.split()
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            jws = json.loads(raw)
            head, jwk = self.check_jws(jws)
            payload = json.loads(unb64(jws["payload"])) if jws["payload"] else None
            self.act(head, jwk, payload)
        except Exception as e:  # whatever is wrong with it, the log says so
            self.complain(f"{type(e).__name__}: {e}")
            self.problem(400, "malformed", str(e))

    def declines(self, head, jwk):
        request = (head["url"], thumbprint(jwk))
        with LOCK:
            first = request not in DECLINED
            DECLINED.add(request)
        return self.fault == "bad-nonces" or (self.fault == "some-bad-nonces" and first)

    def act(self, head, jwk, payload):
        if self.declines(head, jwk):
            self.problem(400, "badNonce", "this nonce is not to my liking")
            return
        what, _, rest = self.rest.partition("/")
        getattr(self, "post_" + what)(rest, head, jwk, payload)

    def post_newAccount(self, _, head, jwk, payload):
        binding = payload.get("externalAccountBinding")
        if self.fault == "external":
            inner = json.loads(unb64(binding["protected"]))
            mac = HMAC(EAB_KEY, hashes.SHA256())
            mac.update(f"{binding['protected']}.{binding['payload']}".encode())
            mac.verify(unb64(binding["signature"]))
            if inner != {"alg": "HS256", "kid": "kid-1", "url": head["url"]} or json.loads(unb64(binding["payload"])) != jwk:
                self.complain("external account binding")
        url = f"{self.base}account/{thumbprint(jwk)}"
        known = url in ACCOUNTS
        ACCOUNTS[url] = [key_of(jwk), jwk]
        self.say(200 if known else 201, {"status": "valid"}, Location=url)

    def post_newOrder(self, _, head, jwk, payload):
        if self.fault == "order-429":
            self.problem(429, "rateLimited", "too many orders for this account", Retry_After="3600")
            return
        if self.fault == "order-403":
            self.problem(403, "rejectedIdentifier", "this name is on a list\nof names")
            return
        number = b64(os.urandom(9))
        names = [i["value"] for i in payload["identifiers"]]
        ORDERS[number] = {"names": names, "head": head, "thumbprint": thumbprint(jwk), "looks": 0}
        self.say(201, self.order(number, "pending"), Location=f"{self.base}order/{number}")

    def order(self, number, status, **more):
        names = ORDERS[number]["names"]
        return {"status": status, "finalize": f"{self.base}finalize/{number}",
                "authorizations": [f"{self.base}authz/{number}/{i}" for i in range(len(names))], **more}

    def post_authz(self, rest, head, jwk, payload):
        number, _, i = rest.partition("/")
        order = ORDERS[number]
        order["looks"] += 1
        challenge = {"type": "http-01", "status": "pending", "url": f"{self.base}challenge/{rest}", "token": b64(b"t" + rest.encode())}
        status = "pending" if self.fault == "authz-pending" or not order.get(f"answered-{i}") else "valid"
        if self.fault == "authz-invalid" and order.get(f"answered-{i}"):
            status = challenge["status"] = "invalid"
            challenge["error"] = {"type": URN + "unauthorized", "detail": "the answer was a page about cats"}
        if self.fault == "token":
            challenge["token"] = "../../etc/passwd"
        self.say(200, {"status": status, "identifier": {"type": "dns", "value": order["names"][int(i)]}, "challenges": [challenge]})

    def post_challenge(self, rest, head, jwk, payload):
        number, _, i = rest.partition("/")
        ORDERS[number][f"answered-{i}"] = True
        self.say(200, {"type": "http-01", "status": "processing", "url": head["url"], "token": "x"})

    def post_finalize(self, number, head, jwk, payload):
        csr = x509.load_der_x509_csr(unb64(payload["csr"]))
        names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
        if not csr.is_signature_valid or names != ORDERS[number]["names"]:
            self.complain("the CSR")
        ORDERS[number]["key"] = csr.public_key()
        self.say(200, self.order(number, "processing"))

    def post_order(self, number, head, jwk, payload):
        order = ORDERS[number]
        order["looks"] += 1
        if self.fault == "order-invalid":
            self.say(200, self.order(number, "invalid", error={"type": URN + "caa", "detail": "CAA forbids it"}))
        elif self.fault == "order-processing":
            self.say(200, self.order(number, "processing"))
        elif self.fault == "order-later":
            self.say(200, self.order(number, "processing"), Retry_After="120")
        else:
            self.say(200, self.order(number, "valid", certificate=f"{self.base}cert/{number}"))

    def post_cert(self, number, head, jwk, payload):
        order = ORDERS[number]
        names, public, chain = order["names"], order["key"], [CA]
        if self.fault == "other-name":
            names = ["other.example.test"]
        if self.fault == "more-names":
            names = names + ["more.example.test"]
        if self.fault == "other-key":
            public = OTHER_KEY.public_key()
        if self.fault == "unlinked":
            chain = [OTHER]
        days = -1 if self.fault == "expired" else 5
        leaf = sign(x509.Name([]), public, CA_NAME, CA_KEY, names, days=days)
        data = b"no chain at all" if self.fault == "no-pem" else pem(leaf, *chain)
        self.say(200, data, "application/pem-certificate-chain")

    def post_revokeCert(self, _, head, jwk, payload):
        x509.load_der_x509_certificate(unb64(payload["certificate"]))
        self.say(200, b"", None)

    def post_keyChange(self, _, head, jwk, payload):
        inner = json.loads(unb64(payload["protected"]))
        verify(key_of(inner["jwk"]), inner["alg"], payload)
        asked = json.loads(unb64(payload["payload"]))
        if asked != {"account": head["kid"], "oldKey": jwk} or inner["url"] != head["url"] or "nonce" in inner:
            self.complain("the inner JWS of a key change")
        ACCOUNTS[head["kid"]] = [key_of(inner["jwk"]), inner["jwk"]]
        self.say(200, b"", None)

    def post_account(self, _, head, jwk, payload):
        if payload != {"status": "deactivated"}:
            self.complain("deactivation")
        self.say(200, {"status": "deactivated"})


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main():
    server = Server(("127.0.0.1", int(os.environ.get("ACME_PORT", "0"))), Handler)
    with open(sys.argv[1] + ".new", "w") as f:
        f.write(str(server.server_port))
    os.rename(sys.argv[1] + ".new", sys.argv[1])
    server.serve_forever()


main()
