"""The two nodes for readers with zkCli: whose the root is, and who writes there. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass

from framework.adapters import packing
from specs.foreign_json import parse_json

KIND = "mesos-framework"
RESTORING_KIND = "mesos-framework, being restored"
"""The mark of a root until all of a backup is in it: no scheduler takes it, older ones neither."""


class BeingRestored(packing.RecordFault):
    """A backup is being restored to the root, or that broke off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """A term of leadership: its number from 1, who holds it, and the number of its last transaction from 1."""

    number: int = 0
    transaction: int = 0
    holder: str = ""


def epoch_node(epoch: Epoch) -> bytes:
    """An epoch as its node holds it."""
    return json.dumps({"epoch": epoch.number, "transaction": epoch.transaction, "holder": epoch.holder}).encode()


def epoch_of(data: bytes) -> Epoch:
    """The way back; raises RecordFault."""
    try:
        plain = parse_json(data)
        return Epoch(number=int(plain["epoch"]), transaction=int(plain["transaction"]), holder=str(plain["holder"]))
    except (ValueError, KeyError, TypeError) as error:
        raise packing.RecordFault(f"is no epoch: {data[:80]!r}") from error


def schema_node() -> bytes:
    """The node that marks a root as ours."""
    return json.dumps({"kind": KIND, "schema": packing.SCHEMA}).encode()


def schema_of(data: bytes) -> int:
    """Which schema the root has; raises RecordFault where it is not ours, BeingRestored, and NewerSchema where a newer
    program made it."""
    try:
        plain = parse_json(data)
        kind, schema = plain["kind"], int(plain["schema"])
    except (ValueError, KeyError, TypeError):
        kind, schema = "", 0
    if kind == RESTORING_KIND:
        raise BeingRestored(
            "says that a backup is being restored, or that this broke off: wait for it, or run `framework restore`"
            " again"
        )
    if kind != KIND or schema < 1:
        raise packing.RecordFault(f"is not ours: wanted {schema_node().decode()}, got {data[:80]!r}")
    if schema > packing.SCHEMA:
        raise packing.NewerSchema(schema)
    return schema


def restoring_node() -> bytes:
    """The node that marks a root while a backup is being restored there."""
    return json.dumps({"kind": RESTORING_KIND, "schema": packing.SCHEMA}).encode()


def is_being_restored(data: bytes) -> bool:
    """Whether a schema node is what `restoring_node` makes."""
    try:
        plain = parse_json(data)
    except ValueError:
        return False
    return isinstance(plain, dict) and plain.get("kind") == RESTORING_KIND
