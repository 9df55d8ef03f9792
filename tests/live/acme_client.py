#!/usr/bin/python3
"""acme_client.py DIRECTORY - an ACME client by another library, against the embedded target.

It signs with each algorithm, goes from an account to a certificate and its revocation, and then does
what has to be refused.  Prints what is not as it should be; exit code 1 then.
"""
import base64
import json
import ssl
import sys
import urllib.error
import urllib.request

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.x509.oid import NameOID

CONTEXT = ssl._create_unverified_context()
URN = "urn:ietf:params:acme:error:"
WRONG = []


def b64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def number(n, size=None):
    return b64(n.to_bytes(size or (n.bit_length() + 7) // 8, "big"))


def check(what, ok, found=None):
    if not ok:
        WRONG.append(f"{what}: {found}")


class Key:
    def __init__(self, alg):
        self.alg = alg
        if alg == "ES256":
            self.key = ec.generate_private_key(ec.SECP256R1())
            p = self.key.public_key().public_numbers()
            self.jwk = {"kty": "EC", "crv": "P-256", "x": number(p.x, 32), "y": number(p.y, 32)}
        elif alg == "EdDSA":
            self.key = ed25519.Ed25519PrivateKey.generate()
            raw = self.key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
            self.jwk = {"kty": "OKP", "crv": "Ed25519", "x": b64(raw)}
        else:
            self.key = rsa.generate_private_key(65537, 2048)
            p = self.key.public_key().public_numbers()
            self.jwk = {"kty": "RSA", "n": number(p.n), "e": number(p.e)}

    def sign(self, text):
        if self.alg == "ES256":
            r, s = utils.decode_dss_signature(self.key.sign(text, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        if self.alg == "EdDSA":
            return self.key.sign(text)
        return self.key.sign(text, padding.PKCS1v15(), hashes.SHA256())


def ask(url, data=None, method=None, kind="application/jose+json"):
    request = urllib.request.Request(url, data, {"Content-Type": kind} if data is not None else {}, method=method)
    try:
        answer = urllib.request.urlopen(request, context=CONTEXT)
    except urllib.error.HTTPError as e:
        answer = e
    body = answer.read()
    found = json.loads(body) if "json" in answer.headers.get("Content-Type", "") and body else body
    return answer.status, found, answer.headers


class Client:
    def __init__(self, directory, alg):
        self.directory, self.key, self.kid = ask(directory)[1], Key(alg), None

    def nonce(self):
        return ask(self.directory["newNonce"], method="HEAD")[2]["Replay-Nonce"]

    def jws(self, to, payload, nonce=None, key=None, **change):
        key = key or self.key
        head = {"alg": key.alg, "nonce": nonce or self.nonce(), "url": to}
        head.update({"kid": self.kid} if self.kid else {"jwk": key.jwk})
        head.update(change)
        head = {k: v for k, v in head.items() if v is not None}
        protected = b64(json.dumps(head).encode())
        body = "" if payload is None else b64(json.dumps(payload).encode())
        return {"protected": protected, "payload": body, "signature": b64(key.sign(f"{protected}.{body}".encode()))}

    def post(self, to, payload, **change):
        return ask(to, json.dumps(self.jws(to, payload, **change)).encode())

    def register(self):
        status, body, head = self.post(self.directory["newAccount"], {"termsOfServiceAgreed": True, "contact": ["mailto:a@b.test"]})
        check("a new account", status == 201 and body["status"] == "valid", body)
        again = self.post(self.directory["newAccount"], {"onlyReturnExisting": True})
        check("the same account again", again[0] == 200 and again[2]["Location"] == head["Location"], again)
        self.kid = head["Location"]


def csr(names):
    key = ec.generate_private_key(ec.SECP256R1())
    b = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    b = b.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), False)
    return key, b64(b.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER))


def converse(directory, alg):
    c = Client(directory, alg)
    c.register()
    names = ["a.example.test", "b.example.test"]
    status, order, head = c.post(c.directory["newOrder"], {"identifiers": [{"type": "dns", "value": n} for n in names]})
    check("a new order", status == 201 and order["status"] == "pending" and len(order["authorizations"]) == 2, order)
    key, request = csr(names)
    early = c.post(order["finalize"], {"csr": request})
    check("too early", early[0] == 403 and early[1]["type"] == URN + "orderNotReady", early)
    for url in order["authorizations"]:
        authz = c.post(url, None)[1]
        check("an authorization", authz["status"] == "pending" and authz["challenges"][0]["type"] == "http-01", authz)
        check("a challenge", c.post(authz["challenges"][0]["url"], {})[1]["status"] == "valid")
    check("ready", c.post(head["Location"], None)[1]["status"] == "ready")
    other = c.post(order["finalize"], {"csr": csr(["c.example.test"])[1]})
    check("a CSR for other names", other[0] == 400 and other[1]["type"] == URN + "badCSR", other)
    order = c.post(order["finalize"], {"csr": request})[1]
    check("finalized", order["status"] == "valid", order)
    status, chain, _ = c.post(order["certificate"], None)
    leaf, ca = (x509.load_pem_x509_certificate(p + b"-----END CERTIFICATE-----") for p in chain.split(b"-----END CERTIFICATE-----")[:2])
    found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    check("its names", found == names, found)
    check("its key", leaf.public_key().public_numbers() == key.public_key().public_numbers())
    ca.public_key().verify(leaf.signature, leaf.tbs_certificate_bytes, ec.ECDSA(hashes.SHA256()))
    renewal(c, leaf)
    return c, b64(leaf.public_bytes(serialization.Encoding.DER)), order


def renewal(c, leaf):
    authority = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    n = leaf.serial_number
    ident = f"{b64(authority)}.{b64(n.to_bytes(n.bit_length() // 8 + 1, 'big'))}"
    status, body, head = ask(f"{c.directory['renewalInfo']}/{ident}")
    check("renewal information", status == 200 and body["suggestedWindow"]["start"] < body["suggestedWindow"]["end"] and "Retry-After" in head, body)
    for path, want in (("aaaa.bbbb", 404), ("a.b=", 400), ("abc", 400)):
        status, body, _ = ask(f"{c.directory['renewalInfo']}/{path}")
        check(f"renewal information of {path}", status == want and body["type"] == URN + "malformed", (status, body))


def refused(c, der, order, other):
    new_order = c.directory["newOrder"]
    one = {"identifiers": [{"type": "dns", "value": "x.example.test"}]}

    def expect(what, answer, status, name):
        check(what, answer[0] == status and answer[1]["type"] == URN + name and answer[2]["Content-Type"] == "application/problem+json"
              and answer[2]["Replay-Nonce"], (answer[0], answer[1]))

    nonce = c.nonce()
    check("a nonce", c.post(new_order, one, nonce=nonce)[0] == 201)
    expect("a nonce twice", c.post(new_order, one, nonce=nonce), 400, "badNonce")
    expect("a nonce of one's own", c.post(new_order, one, nonce="AAAA"), 400, "badNonce")
    expect("another url", c.post(new_order, one, url=c.directory["revokeCert"]), 401, "unauthorized")
    expect("another algorithm", c.post(new_order, one, alg="HS256"), 400, "badSignatureAlgorithm")
    expect("no algorithm", c.post(new_order, one, alg="none"), 400, "badSignatureAlgorithm")
    expect("an algorithm that is not the key's", c.post(new_order, one, alg="RS256" if c.key.alg != "RS256" else "ES256"), 400, "malformed")
    expect("another key's signature", c.post(new_order, one, key=Key(c.key.alg)), 400, "malformed")
    expect("no such account", c.post(new_order, one, kid=c.kid + "x"), 400, "accountDoesNotExist")
    expect("jwk where kid belongs", c.post(new_order, one, kid=None, jwk=c.key.jwk), 400, "malformed")
    expect("both of them", c.post(new_order, one, jwk=c.key.jwk), 400, "malformed")
    expect("no names", c.post(new_order, {"identifiers": []}), 400, "malformed")
    expect("no name", c.post(new_order, {"identifiers": [{"type": "dns", "value": "a b"}]}), 400, "rejectedIdentifier")
    body = c.jws(new_order, one)
    broken = dict(body, payload=b64(b'{"identifiers":[{"type":"dns","value":"y.example.test"}]}'))
    expect("another payload", ask(new_order, json.dumps(broken).encode()), 400, "malformed")
    expect("another content type", ask(new_order, json.dumps(body).encode(), kind="application/json"), 415, "malformed")
    expect("no JSON", ask(new_order, b"{"), 400, "malformed")
    expect("a large body", ask(new_order, b" " * 70000), 413, "malformed")
    expect("the order of another", other.post(order["finalize"], {"csr": "AAAA"}), 404, "malformed")
    expect("the certificate of another", other.post(order["certificate"], None), 404, "malformed")
    expect("revoked by another", other.post(c.directory["revokeCert"], {"certificate": der}), 403, "unauthorized")
    kid, c.kid = c.kid, None
    expect("revoked by a key that is not its own", c.post(c.directory["revokeCert"], {"certificate": der}, key=Key("ES256")), 403, "unauthorized")
    expect("revoked by another signature", c.post(c.directory["revokeCert"], {"certificate": der}, key=Key("ES256"), jwk=c.key.jwk), 400, "malformed")
    c.kid = kid
    check("revoked", c.post(c.directory["revokeCert"], {"certificate": der, "reason": 1})[0] == 200)
    expect("revoked twice", c.post(c.directory["revokeCert"], {"certificate": der}), 400, "alreadyRevoked")
    change_key(c, other, expect)
    check("deactivated", c.post(c.kid, {"status": "deactivated"})[1]["status"] == "deactivated")
    expect("an order of an account that ended", c.post(new_order, one), 401, "unauthorized")


def change_key(c, other, expect):
    url, new = c.directory["keyChange"], Key("ES256")

    def change(key, account=c.kid, old=c.key.jwk):
        kid, c.kid = c.kid, None
        inner = c.jws(url, {"account": account, "oldKey": old}, key=key, nonce="x")
        head = json.loads(base64.urlsafe_b64decode(inner["protected"] + "=="))
        del head["nonce"]
        protected = b64(json.dumps(head).encode())
        inner = {"protected": protected, "payload": inner["payload"], "signature": b64(key.sign(f"{protected}.{inner['payload']}".encode()))}
        c.kid = kid
        return c.post(url, inner)

    expect("the key change of another account", change(new, account=other.kid), 400, "malformed")
    expect("a key change from another key", change(new, old=new.jwk), 400, "malformed")
    expect("a key that another account has", change(other.key), 409, "malformed")
    check("a key change", change(new)[0] == 200)
    expect("the old key", c.post(c.kid, None), 400, "malformed")
    c.key = new
    check("the new key", c.post(c.kid, None)[0] == 200)


def main():
    directory = sys.argv[1]
    other = converse(directory, "EdDSA")[0]
    for alg in ("RS256", "ES256"):
        c, der, order = converse(directory, alg)
    refused(c, der, order, other)
    status, body, head = ask(directory.replace("prof-test-tls", "prof-test"))
    check("another profile is the dashboard", status == 200 and "text/html" in head["Content-Type"] and b"<html>" in body, body)
    check("GET new-nonce", ask(other.directory["newNonce"])[0] == 204)
    print("\n".join(WRONG))
    sys.exit(bool(WRONG))


main()
