"""The domain that a server answers for: which names are there, and what their records are."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
from dns.rdatatype import RdataType

from discovery.dns.names import (
    ADDRESS,
    ALL,
    MESOS_SLAVE,
    SERVICE,
    KnownName,
    Names,
    Reach,
    address_label,
    address_of_label,
    ip,
)

_OWNER = b"\xc0\x0c"
"""A pointer to the name that was asked for, which follows the header of every answer."""
_KINDS = (SERVICE, *Reach)
_VERSIONS = {int(RdataType.A): 4, int(RdataType.AAAA): 6}
_NAME_SERVER = "ns"
_REFRESH_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneSettings:
    """`domain` is without a dot at its end; answers may be kept for `ttl_seconds`. `servers` are the IP addresses under
    which the server is found. `mesos_dns` is FRAMEWORK.DOMAIN below which names are those of Mesos-DNS, "" for
    nowhere."""

    domain: str
    ttl_seconds: int = 1
    servers: tuple[str, ...] = ()
    mesos_dns: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """A record of an answer as bytes, with that of the address that its target has, if it has one."""

    answer: bytes
    additional: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a question: the records, or the reason why there are none, and the authority for that."""

    rcode: int = dns.rcode.NOERROR
    records: tuple[Record, ...] = ()
    authority: bytes = b""
    service: tuple[str, str] | None = None
    """Stack and service on whose endpoints alone this rests; None where it rests on more."""


class Zone:
    """The records of one domain, and of the one with the names of Mesos-DNS.

    `names` are those of ready tasks, `everything` those of all tasks: both are read anew for each question.
    """

    def __init__(self, settings: ZoneSettings, names: Names, everything: Names) -> None:
        self._settings = settings
        self._names = names
        self._everything = everything
        self._domain = _labels(settings.domain)
        framework, _, mesos_domain = settings.mesos_dns.partition(".")
        self._mesos_framework = framework
        self._mesos_domain = _labels(mesos_domain) if mesos_domain else None

    def domain_of(self, labels: Sequence[str]) -> tuple[str, ...] | None:
        """The domain of ours in which the name is (its labels in lower case), None for a name of others."""
        for domain in (self._domain, self._mesos_domain):
            if domain and tuple(labels[-len(domain) :]) == domain:
                return domain
        return None

    def asks_for_all(self, labels: Sequence[str]) -> bool:
        """Whether the answer rests on tasks that are not ready."""
        return tuple(labels[-len(self._domain) - 1 :]) == (ALL, *self._domain)

    def answer(self, labels: Sequence[str], rdtype: int, domain: tuple[str, ...]) -> Answer:
        """The answer to a question for a name in `domain`. Names are in lower case, without the root."""
        path = tuple(labels[: len(labels) - len(domain)])
        service = None
        if not path:
            return self._at_the_top(rdtype, domain)
        if rdtype == RdataType.ANY:
            # RFC 8482: who asks for all that there is gets little, and asks no more.
            return Answer(records=(self._record(RdataType.HINFO, '"RFC8482" ""'),))
        if domain == self._mesos_domain:
            found = self._mesos(path)
        else:
            found = self._ours(path)
            if path[-1] in _KINDS and len(path) > 2:
                service = (path[-2], path[-3])
        if found is None:
            return Answer(dns.rcode.NXDOMAIN, authority=self._soa(domain), service=None)
        records = tuple(self._records(found, rdtype))
        return Answer(records=records, authority=b"" if records else self._soa(domain), service=service)

    def _ours(self, path: tuple[str, ...]) -> KnownName | None:
        *rest, kind = path
        if kind in _KINDS:
            return self._names.find(rest, kind)
        if kind == ALL:
            return self._everything.find(rest, kind)
        if kind == _NAME_SERVER and not rest:
            return KnownName(self._settings.servers)
        if kind == ADDRESS and len(rest) <= 1:
            address = address_of_label(rest[0]) if rest else None
            return KnownName((address,)) if address else None if rest else KnownName()
        return None

    def _mesos(self, path: tuple[str, ...]) -> KnownName | None:
        if path[-2:] == (self._mesos_framework, MESOS_SLAVE):
            return self._names.find_agents_as_mesos_dns(path[:-2])
        if path[-1] == self._mesos_framework:
            return self._names.find_as_mesos_dns(path[:-1])
        return KnownName() if path == (MESOS_SLAVE,) else None

    def _at_the_top(self, rdtype: int, domain: tuple[str, ...]) -> Answer:
        if rdtype in (RdataType.SOA, RdataType.ANY):
            return Answer(records=(self._record(RdataType.SOA, self._soa_text(domain)),))
        if rdtype == RdataType.NS:
            server = f"{_NAME_SERVER}.{self._settings.domain}."
            return Answer(records=(self._record(RdataType.NS, server),))
        return Answer(authority=self._soa(domain))

    def _records(self, found: KnownName, rdtype: int) -> list[Record]:
        if rdtype == RdataType.SRV:
            return [self._service(target.address, target.port) for target in found.targets]
        version = _VERSIONS.get(rdtype)
        return [
            self._record(RdataType(rdtype), address)
            for address in found.addresses
            if (known := ip(address)) and known.version == version
        ]

    def _service(self, address: str, port: int) -> Record:
        """An SRV record, whose target is a name that means this very address, and the record of that name."""
        name = f"{address_label(address)}.{ADDRESS}.{self._settings.domain}."
        rdtype = RdataType.A if "." in address else RdataType.AAAA
        target = _wire_name(name) + _body(rdtype, self._settings.ttl_seconds, _rdata(rdtype, address))
        return Record(self._record(RdataType.SRV, f"0 1 {port} {name}").answer, target)

    def _record(self, rdtype: RdataType, text: str) -> Record:
        return Record(_OWNER + _body(rdtype, self._settings.ttl_seconds, _rdata(rdtype, text)))

    def _soa(self, domain: tuple[str, ...]) -> bytes:
        """The record that says how long one may believe that there is nothing."""
        body = _body(RdataType.SOA, self._settings.ttl_seconds, _rdata(RdataType.SOA, self._soa_text(domain)))
        return _wire_name(".".join(domain) + ".") + body

    def _soa_text(self, domain: tuple[str, ...]) -> str:
        ttl = self._settings.ttl_seconds
        server = f"{_NAME_SERVER}.{self._settings.domain}."
        # Nobody transfers this zone: the serial number says nothing.
        return (
            f"{server} hostmaster.{'.'.join(domain)}. 1 {_REFRESH_SECONDS} {_REFRESH_SECONDS} {_REFRESH_SECONDS} {ttl}"
        )


def _labels(domain: str) -> tuple[str, ...]:
    return tuple(domain.lower().split("."))


def _body(rdtype: RdataType, ttl_seconds: int, rdata: bytes) -> bytes:
    return struct.pack("!HHIH", rdtype, dns.rdataclass.IN, ttl_seconds, len(rdata)) + rdata


@lru_cache(maxsize=65536)
def _rdata(rdtype: RdataType, text: str) -> bytes:
    wire = dns.rdata.from_text(dns.rdataclass.IN, rdtype, text).to_wire()
    assert wire is not None
    return wire


@lru_cache(maxsize=65536)
def _wire_name(name: str) -> bytes:
    wire = dns.name.from_text(name).to_wire()
    assert wire is not None
    return wire
