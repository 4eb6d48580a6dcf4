"""The bytes of a node: a protobuf message or, where that is large, its zlib form. Pure.

The two are told apart by the first byte: every stored message begins with its schema (0x08), every zlib form with 0x78.
"""

from __future__ import annotations

import json
import zlib
from typing import Any, Protocol, TypeVar

from google.protobuf.message import DecodeError

from specs.foreign_json import parse_json
from specs.model.canonical import from_plain, to_plain

SCHEMA = 3
"""The schema that this program writes, and the newest that it reads; it reads the older ones too.

1: as it began. 2: groups have a mode and rules, and agents are stored. 3: groups
have a pace, tasks may be beside others, and rollouts and histories are stored.
"""
LARGE_BYTES = 4096
"""Limit on a record in bytes; a longer one is compressed."""
MAX_UNFOLDED_BYTES = 64 * 1024 * 1024
"""More than any node of ours unfolds to: a bound for those that are not ours."""
_ZLIB_MARK = 0x78
_ZLIB_LEVEL = 1
NOT_PLAIN = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""The errors of reading JSON that is not the plain form of the expected value."""


class RecordFault(ValueError):
    """The bytes are not what they should be; the message says how, as a predicate: "is cut off"."""


class NewerSchema(RecordFault):
    """A newer program wrote the bytes."""

    def __init__(self, schema: int, where: str = "") -> None:
        super().__init__(f"{where} has schema {schema}, and this program knows schemas up to {SCHEMA}".strip())
        self._schema = schema

    def at(self, where: str) -> NewerSchema:
        """The same, with the place named."""
        return NewerSchema(self._schema, where)


class _Record(Protocol):
    schema: int

    def ParseFromString(self, serialized: bytes, /) -> int: ...  # noqa: N802 - protobuf's name


_R = TypeVar("_R", bound=_Record)


def fold(message: bytes) -> bytes:
    """The zlib form where the message is large and that makes it smaller, else the very message."""
    if len(message) <= LARGE_BYTES:
        return message
    folded = zlib.compress(message, _ZLIB_LEVEL)
    return folded if len(folded) < len(message) else message


def unfold(data: bytes) -> bytes:
    """The message of a zlib form; raises RecordFault."""
    inflater = zlib.decompressobj()
    try:
        message = inflater.decompress(data, MAX_UNFOLDED_BYTES)
    except zlib.error as error:
        raise RecordFault(f"is damaged: {error}") from error
    if inflater.unconsumed_tail:
        raise RecordFault(f"unfolds to more than {MAX_UNFOLDED_BYTES} bytes")
    if not inflater.eof:
        raise RecordFault("is cut off")
    return message


def parse(record: _R, data: bytes) -> _R:
    """Fills the record; raises RecordFault."""
    try:
        record.ParseFromString(unfold(data) if data[:1] == bytes([_ZLIB_MARK]) else data)
    except DecodeError as error:
        raise RecordFault(f"is no {type(record).__name__}") from error
    if record.schema == 0:
        raise RecordFault(f"is no {type(record).__name__}: it has no schema")
    if record.schema > SCHEMA:
        raise NewerSchema(record.schema)
    return record


def canonical(value: Any) -> bytes:
    """The canonical JSON of a value; raises ValueError for what has none."""
    return json.dumps(to_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def from_canonical(kind: type, data: bytes, what: str) -> Any:
    """The way back, to a value of the kind; raises RecordFault that names `what` it should be."""
    try:
        value = from_plain(kind, parse_json(data))
        hash(value)  # A list where a text should be is found here, and not when it is written again.
    except NOT_PLAIN as error:
        raise RecordFault(f"has {what} that are none: {error}") from error
    return value
