"""Certificates for tests: an authority that clients of the tests trust, and connections that ask for a host by name."""

from __future__ import annotations

import datetime
import http.client
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

_CURVE = ec.SECP256R1()
_UNTIL = datetime.timedelta(days=3650)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Authority:
    """Signs certificates; `context` is that of a client who trusts it."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(_CURVE)
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "an authority of the tests")])
        own = _made(self._name, self._name, self._key, _UNTIL)
        own = own.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.pem = own.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def context(self, *protocols: str) -> ssl.SSLContext:
        """A client's; it speaks these protocols, by the names of ALPN."""
        context = ssl.create_default_context(cadata=self.pem.decode())
        context.set_alpn_protocols(list(protocols))
        return context

    def certificate(self, key: Key, *hosts: str, days: float = 90) -> bytes:
        """A certificate for hosts, in PEM; it may have expired (days below 0)."""
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a host of the tests")])
        made = _made(subject, self._name, key, datetime.timedelta(days=days))
        named = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
        return made.add_extension(named, critical=False).sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def pair(self, *hosts: str, days: float = 90) -> bytes:
        """A certificate and its key."""
        key = new_key()
        return self.certificate(key, *hosts, days=days) + key_pem(key)


def new_key() -> ec.EllipticCurvePrivateKey:
    """A key as is usual."""
    return ec.generate_private_key(_CURVE)


def key_pem(key: Key, encryption: KeySerializationEncryption | None = None) -> bytes:
    """A key in PEM."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


def _made(subject: x509.Name, issuer: x509.Name, key: Key, until: datetime.timedelta) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return x509.CertificateBuilder(
        subject_name=subject,
        issuer_name=issuer,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - _UNTIL,
        not_valid_after=now + until,
    )


class TlsConnection(http.client.HTTPConnection):
    """A connection to an address that asks for a host by its name."""

    sock: ssl.SSLSocket

    def __init__(self, address: str, host: str, context: ssl.SSLContext, timeout: float = 10.0) -> None:
        super().__init__(address, timeout=timeout)
        self._host = host
        self._context = context

    def connect(self) -> None:
        """Raises OSError, as where the certificate is for another host."""
        super().connect()
        self.sock = self._context.wrap_socket(self.sock, server_hostname=self._host)

    @property
    def served(self) -> int:
        """The serial number of the certificate that it got; it is connected."""
        certificate = self.sock.getpeercert() or {}
        return int(str(certificate["serialNumber"]), 16)


def serial(pem: bytes) -> int:
    """The serial number of the first certificate."""
    return x509.load_pem_x509_certificate(pem).serial_number
