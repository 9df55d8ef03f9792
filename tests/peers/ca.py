"""ca.py - the agent CA, keys and tokens of the independent peers, by python3-cryptography."""
import base64
import datetime
import ipaddress
import json
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def private_pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption()).decode()


def serial(text):
    return x509.load_pem_x509_certificate(text.encode()).serial_number


def named(common, organization=None):
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common)]
    if organization:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(parts)


class Authority:
    """An ECDSA P-256 CA that signs client certificates of agents and a server's own."""

    def __init__(self, common):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = named(common)
        self.certificate = self._build(self.name, self.key.public_key(), 3650).add_extension(
            x509.BasicConstraints(True, None), True).sign(self.key, hashes.SHA256())

    def _build(self, subject, public, days):
        now = datetime.datetime.utcnow()
        return (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(public)
                .serial_number(x509.random_serial_number()).not_valid_before(now - DAY)
                .not_valid_after(now + days * DAY))

    def server(self, *names):
        """(certificate PEM, key PEM) for TLS."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = [x509.DNSName(n) for n in names] + [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        made = self._build(named(names[0]), key.public_key(), 7).add_extension(
            x509.SubjectAlternativeName(alternatives), False).sign(self.key, hashes.SHA256())
        return pem(made), private_pem(key)

    def client(self, csr_der, agent, organization="org-peer"):
        """(certificate PEM, not after) for a request whose signature holds; ValueError otherwise."""
        csr = x509.load_der_x509_csr(csr_der)
        if not csr.is_signature_valid:
            raise ValueError("the signature of the CSR does not hold")
        if csr.subject != named("ct-ops-agent"):
            raise ValueError(f"the CSR's subject is {csr.subject.rfc4514_string()}")
        uri = x509.UniformResourceIdentifier(f"spiffe://ct-ops/org/{organization}/agent/{agent}")
        made = (self._build(named(agent, organization), csr.public_key(), 90)
                .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)
                .add_extension(x509.SubjectAlternativeName([uri]), False).sign(self.key, hashes.SHA256()))
        return pem(made), int(made.not_valid_after.replace(tzinfo=datetime.timezone.utc).timestamp())


class AgentKey:
    """An agent's Ed25519 key: the public half in the contract's PEM (raw bytes, no SPKI), and a CSR."""

    def __init__(self):
        self.key = ed25519.Ed25519PrivateKey.generate()
        raw = self.key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.public = f"-----BEGIN PUBLIC KEY-----\n{base64.b64encode(raw).decode()}\n-----END PUBLIC KEY-----\n"
        self.private = private_pem(self.key)

    def csr(self):
        return (x509.CertificateSigningRequestBuilder().subject_name(named("ct-ops-agent")).sign(self.key, None)
                .public_bytes(serialization.Encoding.DER))


class Tokens:
    """RS256 JWTs; verify() returns the claims or None."""

    def __init__(self):
        self.key = rsa.generate_private_key(65537, 2048)

    def _sign(self, text):
        return self.key.sign(text, padding.PKCS1v15(), hashes.SHA256())

    def issue(self, agent, ttl=86400):
        def part(value):
            return base64.urlsafe_b64encode(value).rstrip(b"=")
        now = int(time.time())
        claims = {"sub": agent, "org": "org-peer", "iss": "ct-ops-ingest", "iat": now, "exp": now + ttl}
        text = part(b'{"alg":"RS256","typ":"JWT"}') + b"." + part(json.dumps(claims).encode())
        return (text + b"." + part(self._sign(text))).decode()

    def verify(self, token, expiry=True):
        try:
            text, _, signature = token.encode().rpartition(b".")
            if base64.urlsafe_b64decode(signature + b"==") != self._sign(text):
                return None
            claims = json.loads(base64.urlsafe_b64decode(text.partition(b".")[2] + b"=="))
        except (ValueError, UnicodeError):
            return None
        return claims if not expiry or claims["exp"] > time.time() else None
