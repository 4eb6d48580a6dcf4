"""Certificates in PEM files: for which hosts each is, until when, and which of them a host gets. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from discovery.balancer.model import Model

_KEY = re.compile(rb"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?-----END \1-----", re.DOTALL)
_HOST = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*")
"""Names become words of a configuration: nothing else is let through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """`name` is what its file is called, `pem` the certificate, its chain and its private key; `hosts` are the
    names that it is for, `*.example.org` being one label more; it `ends` at so many seconds since 1970."""

    name: str
    pem: bytes = field(repr=False)
    hosts: tuple[str, ...]
    ends: float

    def is_for(self, host: str) -> bool:
        """Whether who asks for this host trusts it; a host `*.example.org` is every name below."""
        return host in self.hosts or (not host.startswith("*.") and f"*.{host.partition('.')[2]}" in self.hosts)


def certificate_of(name: str, pem: bytes) -> Certificate:
    """The certificate in these bytes. Raises ValueError, in words for the user, where a balancer could not serve it."""
    wanted = "wanted a certificate, its chain and its private key"
    try:
        first, *_ = x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise ValueError(f"it holds no certificate that can be read; {wanted}") from None
    block = _KEY.search(pem)
    if block is None:
        raise ValueError(f"it holds no private key; {wanted}")
    try:
        key = load_pem_private_key(block[0], None)
    except TypeError:
        raise ValueError("its key is encrypted, and there is nobody to ask for a password; store it without") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(f"its private key cannot be read; {wanted}") from None
    if key.public_key() != first.public_key():
        raise ValueError("its key is not that of its first certificate; put the host's own certificate first")
    return Certificate(name=name, pem=pem, hosts=_hosts(first), ends=first.not_valid_after_utc.timestamp())


def _hosts(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        named = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        hosts = named.get_values_for_type(x509.DNSName)
    except (x509.ExtensionNotFound, ValueError):
        subject = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        hosts = [str(each.value) for each in subject]
    return tuple(dict.fromkeys(host.lower() for host in hosts if _HOST.fullmatch(host.lower())))


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """The certificates of a balancer: a host without one of its own gets the first. `paths` are the files of them
    all, in the same order, below `directory`."""

    directory: str = ""
    certificates: tuple[Certificate, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """Where each certificate is; in the order of their names, as HAProxy takes the files of a directory."""
        return tuple(f"{self.directory}/{file_name(*each)}" for each in enumerate(self.certificates))

    def path_for(self, host: str) -> str:
        """The file of the certificate that a host gets: one with its own name before wildcards, and of those the
        first."""
        own = [index for index, each in enumerate(self.certificates) if host in each.hosts]
        wild = [index for index, each in enumerate(self.certificates) if each.is_for(host)]
        return self.paths[[*own, *wild, 0][0]]


BARE = Keyring()


def file_name(index: int, certificate: Certificate) -> str:
    """The file name of a certificate's copy, in the characters of a configuration."""
    return f"{index:03}-{re.sub(r'[^A-Za-z0-9._-]', '_', certificate.name)}"


def untrusted(model: Model, certificates: Sequence[Certificate]) -> tuple[str, ...]:
    """The hosts that are served with TLS and that no certificate is for, each as a sentence for the user."""
    return tuple(
        f"no certificate is for {host}: who comes there gets {certificates[0].name}, and will not trust it"
        for host in dict.fromkeys(_tls_hosts(model))
        if not any(each.is_for(host) for each in certificates)
    )


def _tls_hosts(model: Model) -> Iterator[str]:
    for frontend in model.frontends:
        if frontend.is_tls:
            yield from (rule.host for rule in frontend.rules if rule.host)
