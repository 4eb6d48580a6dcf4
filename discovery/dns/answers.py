"""From the bytes of a query to those of its answer.

What is asked again is answered from a table: its records are bytes already, and only the id, the question as it was
spelled and the order are the query's own. All else is read by dnspython, which knows every way to be wrong.
"""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype

from discovery.dns.zone import Answer, Record, Zone

PLAIN_BYTES = 512
"""Limit over UDP for a client that names none."""
MOST_UDP_BYTES = 4096
MOST_TCP_BYTES = 65535
OWN_UDP_BYTES = 1232
"""Our own limit over UDP: a packet of that size is not fragmented on the way."""
MOST_KEPT = 50_000
"""Limit on answers in the table; at the limit it is emptied."""

_HEADER = struct.Struct("!HHHHHH")
_OPT = b"\x00\x00\x29" + struct.pack("!HIH", OWN_UDP_BYTES, 0, 0)
_OPT_FIELDS = struct.Struct("!HBBHH")
_OPCODE_BITS = 0x78
_OWN_WORD = (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
_REFUSED_TYPES = (dns.rdatatype.AXFR, dns.rdatatype.IXFR)


class Elsewhere(Enum):
    """A query that is not answered here and now."""

    FORWARD = "it is for others to answer"
    REFRESH = "it rests on tasks that are not ready, and these have not been looked at for a while"
    SILENCE = "it is no query"


class _Query(NamedTuple):
    """A query that can be answered: its question as bytes, and what the client can take."""

    id: int
    is_recursion_desired: bool
    name: bytes
    kind: bytes
    has_edns: bool
    most_bytes: int

    @property
    def question(self) -> bytes:
        return self.name + self.kind


@dataclass(frozen=True, slots=True)
class _Whole:
    """An answer that fits: what is before its records but the id, the records, whose order alone is open, and what is
    after them."""

    before: bytes
    records: tuple[bytes, ...]
    after: bytes


class Answers:
    """Answers queries for a zone. `offers_recursion`: other names are forwarded for those who ask. `knows`: names of
    the zone have been read; before, it is not known that there is none."""

    def __init__(self, zone: Zone, chance: random.Random, *, offers_recursion: bool) -> None:
        self.knows = False
        self._zone = zone
        self._chance = chance
        self._flags = dns.flags.QR | (dns.flags.RA if offers_recursion else 0)
        self._kept: dict[bytes, Answer] = {}
        self._of_service: dict[tuple[str, str] | None, list[bytes]] = {}
        self._whole: dict[bytes, _Whole] = {}

    def forget(self, stack: str, service: str) -> None:
        """The endpoints of this service are others than before: what rested on them is not said any more."""
        self._whole.clear()
        for rests_on in ((stack, service), None):
            for question in self._of_service.pop(rests_on, ()):
                self._kept.pop(question, None)

    def answer(self, data: bytes, *, is_udp: bool, may_refresh: bool = True) -> bytes | Elsewhere:
        """The answer to a query, or what is to be done with it instead of one."""
        if is_udp and (whole := self._whole.get(data[2:])):
            return self._spoken(data[:2], whole)
        query = _read_plain(data)
        if query is None:
            read = self._read(data)
            if not isinstance(read, _Query):
                return read
            query = read
        asked = query.name.lower() + query.kind
        found = self._kept.get(asked)
        if found is None:
            looked_up = self._look_up(query, asked, may_refresh)
            if isinstance(looked_up, Elsewhere):
                return looked_up
            found = looked_up
        if not is_udp:
            return self._assembled(query, found, MOST_TCP_BYTES)
        most_bytes = min(query.most_bytes, MOST_UDP_BYTES)
        if asked in self._kept and (whole := self._fitted(query, found, most_bytes)):
            if len(self._whole) >= MOST_KEPT:
                self._whole.clear()
            self._whole[data[2:]] = whole
        return self._assembled(query, found, most_bytes)

    def failure(self, data: bytes, rcode: dns.rcode.Rcode) -> bytes:
        """The answer to a query that fails, if it has an id and a question of a known form."""
        query = _read_plain(data)
        if query is None:
            return _bare(data, rcode)
        return self._assembled(query, Answer(rcode), PLAIN_BYTES)

    def _look_up(self, query: _Query, asked: bytes, may_refresh: bool) -> Answer | Elsewhere:
        rdtype, rdclass = struct.unpack("!HH", query.kind)
        labels = _labels(asked[: len(query.name)])
        if rdtype in _REFUSED_TYPES or rdclass != dns.rdataclass.IN or labels is None:
            return Answer(dns.rcode.REFUSED)
        domain = self._zone.domain_of(labels)
        if domain is None:
            return Elsewhere.FORWARD
        if not self.knows:
            return Answer(dns.rcode.SERVFAIL)
        is_passing = self._zone.asks_for_all(labels)
        if is_passing and may_refresh:
            return Elsewhere.REFRESH
        answer = self._zone.answer(labels, rdtype, domain)
        if not is_passing:
            self._keep(asked, answer)
        return answer

    def _keep(self, asked: bytes, answer: Answer) -> None:
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
            self._of_service.clear()
        self._kept[asked] = answer
        self._of_service.setdefault(answer.service, []).append(asked)

    def _spoken(self, id: bytes, whole: _Whole) -> bytes:
        records = whole.records
        if len(records) > 1:
            return id + whole.before + b"".join(self._chance.sample(records, len(records))) + whole.after
        return id + whole.before + b"".join(records) + whole.after

    def _fitted(self, query: _Query, answer: Answer, most_bytes: int) -> _Whole | None:
        """The whole answer, if the client can take all of it."""
        message = self._assembled(query, answer, most_bytes)
        more = {record.additional for record in answer.records if record.additional}
        counts = (1, len(answer.records), 1 if answer.authority else 0, len(more) + query.has_edns)
        if struct.unpack_from("!HHHH", message, 4) != counts:
            return None
        records = tuple(record.answer for record in answer.records)
        begin = _HEADER.size + len(query.question)
        return _Whole(message[2:begin], records, message[begin + sum(map(len, records)) :])

    def _assembled(self, query: _Query, answer: Answer, most_bytes: int) -> bytes:
        """The message. If not all records fit, chance selects some, and the answer is marked as truncated."""
        opt = _OPT if query.has_edns else b""
        room = most_bytes - _HEADER.size - len(query.question) - len(answer.authority) - len(opt)
        records = answer.records
        if len(records) > 1:
            records = tuple(self._chance.sample(records, len(records)))
        said = _fitting(records, room)
        room -= sum(len(record.answer) for record in said)
        more = _additional(said, room)
        flags = self._flags | answer.rcode
        flags |= dns.flags.RD if query.is_recursion_desired else 0
        flags |= dns.flags.AA if answer.rcode in _OWN_WORD else 0
        flags |= dns.flags.TC if len(said) < len(records) else 0
        counts = (1, len(said), 1 if answer.authority else 0, len(more) + query.has_edns)
        head = _HEADER.pack(query.id, flags, *counts)
        return b"".join((head, query.question, *(each.answer for each in said), answer.authority, *more, opt))

    def _read(self, data: bytes) -> _Query | bytes | Elsewhere:
        """A query that is not quite plain, or what is said to it."""
        if len(data) < _HEADER.size or data[2] & 0x80:
            return Elsewhere.SILENCE
        if data[2] & _OPCODE_BITS:
            return _bare(data, dns.rcode.NOTIMP)
        try:
            message = dns.message.from_wire(data, ignore_trailing=False)
        except (dns.exception.DNSException, ValueError):
            return _bare(data, dns.rcode.FORMERR)
        if message.edns > 0:
            return _bad_version(data)
        if len(message.question) != 1:
            return _bare(data, dns.rcode.FORMERR)
        question = message.question[0]
        name = question.name.to_wire()
        return _Query(
            id=message.id,
            is_recursion_desired=bool(message.flags & dns.flags.RD),
            name=name or b"\0",
            kind=struct.pack("!HH", question.rdtype, question.rdclass),
            has_edns=message.edns == 0,
            most_bytes=max(PLAIN_BYTES, message.payload if message.edns == 0 else 0),
        )


def _read_plain(data: bytes) -> _Query | None:
    """The query if it is as nearly all are: one question, and at most an OPT record after it; None for any other.

    The name is taken to end at the first zero. Where that is in the middle of a label, it is no name that is in the
    table, and dnspython says what it is.
    """
    if len(data) < 17 or data[2] & 0xFE or data[3] & 0xCF or data[4:11] != b"\0\1\0\0\0\0\0" or data[11] > 1:
        return None
    end = data.find(0, _HEADER.size) + 1
    tail = end + 4
    if not end or _labels(data[_HEADER.size : end]) is None:
        return None
    most_bytes = PLAIN_BYTES
    if data[11]:
        if len(data) < tail + 11 or data[tail : tail + 3] != b"\0\0\x29":
            return None
        most_bytes, _, version, _, length = _OPT_FIELDS.unpack_from(data, tail + 3)
        if version or len(data) != tail + 11 + length:
            return None
    elif len(data) != tail:
        return None
    return _Query(
        int.from_bytes(data[:2]),
        bool(data[2] & 1),
        data[_HEADER.size : end],
        data[end:tail],
        bool(data[11]),
        max(PLAIN_BYTES, most_bytes),
    )


def _labels(name: bytes) -> tuple[str, ...] | None:
    """The labels of a name without pointers, without the root; None where it is none."""
    found: list[str] = []
    at = 0
    while at < len(name) and (length := name[at]):
        if length > 63:
            return None
        found.append(name[at + 1 : at + 1 + length].decode("latin-1"))
        at += 1 + length
    return tuple(found) if at == len(name) - 1 else None


def _fitting(records: tuple[Record, ...], room: int) -> tuple[Record, ...]:
    """As many of the first records as there is room for."""
    for number, record in enumerate(records):
        room -= len(record.answer)
        if room < 0:
            return records[:number]
    return records


def _additional(records: tuple[Record, ...], room: int) -> list[bytes]:
    """The addresses of targets, each once, as far as there is room: who misses one can ask for it."""
    found: list[bytes] = []
    for additional in dict.fromkeys(record.additional for record in records if record.additional):
        room -= len(additional)
        if room < 0:
            break
        found.append(additional)
    return found


def _bare(data: bytes, rcode: dns.rcode.Rcode) -> bytes:
    """A header that says no, without the question, which may be what is wrong."""
    flags = dns.flags.QR | (int.from_bytes(data[2:4]) & (_OPCODE_BITS << 8 | dns.flags.RD)) | rcode
    return _HEADER.pack(int.from_bytes(data[:2]), flags, 0, 0, 0, 0)


def _bad_version(data: bytes) -> bytes:
    """BADVERS, of which the upper bits are in the OPT record."""
    upper = struct.pack("!BBHH", dns.rcode.BADVERS >> 4, 0, 0, 0)
    head = _HEADER.pack(int.from_bytes(data[:2]), dns.flags.QR | (dns.rcode.BADVERS & 0xF), 0, 0, 0, 1)
    return head + b"\x00\x00\x29" + struct.pack("!H", OWN_UDP_BYTES) + upper
