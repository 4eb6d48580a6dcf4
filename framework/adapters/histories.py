"""Histories as nodes hold them, and back. Pure.

Definitions share the groups that are the same in them: each is stored once, and named by its place.
"""

from __future__ import annotations

from framework.adapters.packing import SCHEMA, RecordFault, fold, parse
from framework.adapters.spec_records import group_record, group_spec_of
from framework.core.model import GroupSpec, History, Revision
from specs import records_pb2 as pb


def history_node(history: History) -> bytes:
    """A history as a node holds it; raises ValueError for what no record can hold."""
    places: dict[GroupSpec, int] = {}
    known: dict[int, int] = {}
    """Places by identity: most groups are the very same value in the next definition, and hashing one takes long."""
    revisions = []
    for revision in history.revisions:
        record = pb.RevisionRecord(
            number=revision.number,
            at=revision.at,
            command=revision.command,
            text=revision.text,
            by=revision.by,
            message=revision.message,
            services=revision.services,
            has_definition=revision.groups is not None,
        )
        for spec in revision.groups or ():
            if id(spec) not in known:
                known[id(spec)] = places.setdefault(spec, len(places))
            record.groups.append(known[id(spec)])
        revisions.append(record)
    groups = [group_record(spec) for spec in places]
    return fold(
        pb.HistoryRecord(schema=SCHEMA, stack=history.stack, groups=groups, revisions=revisions).SerializeToString()
    )


def history_of(data: bytes) -> History:
    """The way back; raises RecordFault."""
    record = parse(pb.HistoryRecord(), data)
    try:
        groups = tuple(group_spec_of(record.stack, group) for group in record.groups)
    except RecordFault:
        raise
    except ValueError as error:
        raise RecordFault(f"has a word that no history has: {error}") from error
    return History(stack=record.stack, revisions=tuple(_revision_of(each, groups) for each in record.revisions))


def _revision_of(record: pb.RevisionRecord, groups: tuple[GroupSpec, ...]) -> Revision:
    if any(place >= len(groups) for place in record.groups):
        raise RecordFault(f"has revision {record.number} with a group that is not there")
    return Revision(
        number=record.number,
        at=record.at,
        command=record.command,
        text=record.text,
        by=record.by,
        message=record.message,
        services=tuple(record.services),
        groups=tuple(groups[place] for place in record.groups) if record.has_definition else None,
    )
