"""Model values <-> messages of specs/records.proto <-> the bytes of a node. Pure.

A node's bytes are a message or, where that is large, its zlib form. The two are told apart by the first byte: every
stored message begins with its schema (0x08), every zlib form with 0x78.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Protocol, TypeVar

from google.protobuf.message import DecodeError

from framework.core.commands import PutFramework
from framework.core.model import Backoff, Failures, GroupWish, KnownAgent, Rollouts, StackWish, Task, Version
from specs import records_pb2 as pb
from specs.canonical import from_plain, to_plain, version_from_json, version_json
from specs.constraints import Mode, Rules
from specs.ids import AgentId, FrameworkId, GroupId, TaskId, VersionId
from specs.stack import Condition, Dependency, Keep, KillOrder, OnChange, Restart, Retry, Unreachable
from specs.states import Goal, Health, Readiness, TaskState
from specs.update import Update

SCHEMA = 3
"""What this program writes, and the newest that it reads; it reads the older ones too.

1: as it began. 2: groups have a mode and rules, and agents are stored. 3: groups
have a pace, tasks may be beside others, and rollouts and histories are stored.
"""
LARGE_BYTES = 4096
"""What is longer is compressed."""
MAX_UNFOLDED_BYTES = 64 * 1024 * 1024
"""More than any node of ours unfolds to: a bound for those that are not ours."""
_ZLIB_MARK = 0x78
_ZLIB_LEVEL = 1
# Tasks have one field number in their bucket, and agents the same in theirs.
_RECORDS_TAG = bytes([pb.TaskBucket.TASKS_FIELD_NUMBER << 3 | 2])
_NO_RULES = Rules()
_USUAL_UPDATE = Update()
_RETRY = Retry()
_DISTINCT_RULES = 4096
"""So many different rules are kept parsed: the groups of a service often have equal ones."""
_DISTINCT_GROUPS = 16_384
"""So many groups are one value each, however many tasks of them there are."""
_DISTINCT_TEXTS = 65_536
"""So many texts that many tasks have alike are one value each: ids and addresses of agents, sandboxes, versions."""
# Looked up here, since calling an enumeration costs a microsecond, three times for each of 100,000 tasks.
_GOALS = {goal.value: goal for goal in Goal}
_STATES = {state.value: state for state in TaskState}
_HEALTHS = {health.value: health for health in Health}
_READINESSES = {"": Readiness.NONE} | {readiness.value: readiness for readiness in Readiness}
_group = lru_cache(maxsize=_DISTINCT_GROUPS)(GroupId)
_same = lru_cache(maxsize=_DISTINCT_TEXTS)(str)
_NOT_PLAIN = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What comes of JSON that is not the plain form of what it should be."""


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


def framework_node(put: PutFramework) -> bytes:
    """What is stored of the framework itself."""
    record = pb.FrameworkRecord(schema=SCHEMA, framework_id=put.framework_id or "", next_serial=put.next_serial)
    return record.SerializeToString()


def framework_of(data: bytes) -> PutFramework:
    """The way back; raises RecordFault."""
    record = parse(pb.FrameworkRecord(), data)
    name = record.framework_id
    return PutFramework(framework_id=FrameworkId(name) if name else None, next_serial=record.next_serial)


def stack_node(stack: StackWish) -> bytes:
    """A stack's wish as a node holds it; raises ValueError for what no record can hold."""
    record = pb.StackRecord(
        schema=SCHEMA,
        name=stack.name,
        groups=[group_record(group) for group in stack.groups],
        index=stack.index,
        submitted_at=stack.submitted_at,
        submitted_by=stack.submitted_by,
        message=stack.message,
        removed=stack.is_removed,
    )
    return fold(record.SerializeToString())


def stack_of(data: bytes) -> StackWish:
    """The way back; raises RecordFault."""
    record = parse(pb.StackRecord(), data)
    try:
        return StackWish(
            name=record.name,
            groups=tuple(group_wish_of(record.name, group) for group in record.groups),
            index=record.index,
            submitted_at=record.submitted_at,
            submitted_by=record.submitted_by,
            message=record.message,
            is_removed=record.removed,
        )
    except RecordFault:
        raise
    except ValueError as error:
        raise RecordFault(f"has a word that no stack has: {error}") from error


def group_record(group: GroupWish) -> pb.GroupRecord:
    """A group's wish; raises ValueError for what no record can hold."""
    return pb.GroupRecord(
        service=group.id.service,
        labels=group.id.labels,
        version=group.version,
        instances=group.instances,
        stopped=group.is_stopped,
        generation=group.generation,
        restart=group.restart.value,
        dependencies=[
            pb.DependencyRecord(
                service=each.service,
                condition=each.condition.value,
                on_change="" if each.on_change is OnChange.NONE else each.on_change.value,
            )
            for each in group.dependencies
        ],
        metadata=dict(group.metadata),
        mode="" if group.mode is Mode.REPLICATED else group.mode.value,
        rules_json=b"" if group.rules == _NO_RULES else _rules_json(group.rules),
        replace_after_seconds=group.unreachable.replace_after_seconds,
        kill_order="" if group.kill_order is KillOrder.YOUNGEST else group.kill_order.value,
        keep="" if group.unreachable.keep is Keep.REPLACEMENT else group.unreachable.keep.value,
        update_json=b"" if group.update == _USUAL_UPDATE else _update_json(group.update),
        rollback_json=b"" if group.rollback is None else _update_json(group.rollback),
        retry=None if group.retry == _RETRY else _retry_record(group.retry),
    )


def group_wish_of(stack: str, record: pb.GroupRecord) -> GroupWish:
    """The way back; raises ValueError, RecordFault."""
    return GroupWish(
        id=_group(stack, record.service, tuple(record.labels)),
        version=VersionId(record.version),
        instances=record.instances,
        is_stopped=record.stopped,
        generation=record.generation,
        restart=Restart(record.restart),
        dependencies=tuple(
            Dependency(
                service=each.service,
                condition=Condition(each.condition),
                on_change=OnChange(each.on_change) if each.on_change else OnChange.NONE,
            )
            for each in record.dependencies
        ),
        metadata=tuple(sorted(record.metadata.items())),
        mode=Mode(record.mode) if record.mode else Mode.REPLICATED,
        rules=_rules_of(record.rules_json) if record.rules_json else _NO_RULES,
        unreachable=Unreachable(
            replace_after_seconds=record.replace_after_seconds,
            keep=Keep(record.keep) if record.keep else Keep.REPLACEMENT,
        ),
        update=_update_of(record.update_json) if record.update_json else _USUAL_UPDATE,
        rollback=_update_of(record.rollback_json) if record.rollback_json else None,
        kill_order=KillOrder(record.kill_order) if record.kill_order else KillOrder.YOUNGEST,
        retry=_retry_of(record.retry) if record.HasField("retry") else _RETRY,
    )


def _retry_record(retry: Retry) -> pb.RetryRecord:
    return pb.RetryRecord(
        delay_seconds=retry.delay_seconds,
        factor=retry.factor,
        max_delay_seconds=retry.max_delay_seconds,
        attempts=retry.attempts,
        window_seconds=retry.window_seconds,
    )


def _retry_of(record: pb.RetryRecord) -> Retry:
    return Retry(
        delay_seconds=record.delay_seconds,
        factor=record.factor,
        max_delay_seconds=record.max_delay_seconds,
        attempts=record.attempts,
        window_seconds=record.window_seconds,
    )


@lru_cache(maxsize=_DISTINCT_RULES)
def _rules_json(rules: Rules) -> bytes:
    """The canonical form; raises ValueError for what no record can hold."""
    return _canonical(rules)


@lru_cache(maxsize=_DISTINCT_RULES)
def _rules_of(data: bytes) -> Rules:
    """The way back, one value for equal bytes; raises RecordFault."""
    rules: Rules = _from_canonical(Rules, data, "rules")
    return rules


@lru_cache(maxsize=_DISTINCT_RULES)
def _update_json(update: Update) -> bytes:
    """The canonical form; raises ValueError for what no record can hold. A pace of nothing but defaults is "{}"."""
    return _canonical(update)


@lru_cache(maxsize=_DISTINCT_RULES)
def _update_of(data: bytes) -> Update:
    """The way back, one value for equal bytes; raises RecordFault."""
    update: Update = _from_canonical(Update, data, "paces")
    return update


def _canonical(value: Any) -> bytes:
    return json.dumps(to_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _from_canonical(kind: type, data: bytes, what: str) -> Any:
    try:
        value = from_plain(kind, json.loads(data))
        hash(value)  # A list where a text should be is found here, and not when it is written again.
    except _NOT_PLAIN as error:
        raise RecordFault(f"has {what} that are none: {error}") from error
    return value


def rollouts_node(rollouts: Rollouts) -> bytes:
    """A stack's rollouts as a node holds them; raises ValueError for what no record can hold."""
    record = pb.RolloutsRecord(schema=SCHEMA, stack=rollouts.stack, json=_canonical(rollouts))
    return fold(record.SerializeToString())


def rollouts_of(data: bytes) -> Rollouts:
    """The way back; raises RecordFault."""
    record = parse(pb.RolloutsRecord(), data)
    rollouts: Rollouts = _from_canonical(Rollouts, record.json, "rollouts")
    return rollouts


def version_node(version: Version) -> bytes:
    """A version as a node holds it; raises ValueError for what no record can hold."""
    settings = version_json(version.container, version.resources)
    folded = fold(settings)
    record = pb.VersionRecord(
        schema=SCHEMA, stack=version.stack, version=version.id, json=folded, compressed=folded is not settings
    )
    return record.SerializeToString()


def version_of(data: bytes) -> Version:
    """The way back; raises RecordFault."""
    record = parse(pb.VersionRecord(), data)
    settings = _inflate(record.json) if record.compressed else record.json
    try:
        container, resources = version_from_json(settings)
    except _NOT_PLAIN as error:
        raise RecordFault(f"has settings that are none: {error}") from error
    return Version(stack=record.stack, id=VersionId(record.version), container=container, resources=resources)


def task_bytes(task: Task) -> bytes:
    """A task's record, to be put in a bucket; raises ValueError for what no record can hold."""
    return pb.TaskRecord(
        id=task.id,
        stack=task.group.stack,
        service=task.group.service,
        labels=task.group.labels,
        slot=task.slot,
        attempt=task.attempt,
        version=task.version,
        generation=task.generation,
        goal=task.goal.value,
        state=task.state.value,
        health=task.health.value,
        agent_id=task.agent_id,
        hostname=task.hostname,
        address=task.address,
        executor_id=task.executor_id,
        host_ports=task.host_ports,
        launched_at=task.launched_at,
        state_since=task.state_since,
        running_since=task.running_since,
        ended_at=task.ended_at,
        reason=task.reason,
        message=task.message,
        exit_code=task.exit_code or 0,
        has_exit_code=task.exit_code is not None,
        container_id=task.container_id,
        sandbox=task.sandbox,
        addresses=task.addresses,
        stop_cause=task.stop_cause,
        predecessors=task.predecessors,
        adopts=task.adopts,
        orphaned=task.is_orphaned,
        replaced_at=task.replaced_at,
        beside=task.beside or "",
        ready_since=task.ready_since,
        readiness="" if task.readiness is Readiness.NONE else task.readiness.value,
        permanent=task.permanent,
        failures=task.failures,
        backoff=None if task.backoff is None else _backoff_record(task.backoff),
    ).SerializeToString()


def _backoff_record(backoff: Backoff) -> pb.BackoffRecord:
    return pb.BackoffRecord(
        at=backoff.at,
        until=backoff.until,
        delay_seconds=backoff.delay_seconds,
        cause=backoff.cause,
        failures=backoff.failures,
        recent=backoff.recent,
        tries=backoff.tries,
        agents=backoff.agents,
    )


def _backoff_of(record: pb.BackoffRecord) -> Backoff:
    return Backoff(
        at=record.at,
        until=record.until,
        delay_seconds=record.delay_seconds,
        cause=record.cause,
        failures=record.failures,
        recent=tuple(record.recent[:]),
        tries=record.tries,
        agents=tuple([AgentId(id) for id in record.agents]),
    )


class _Draft:
    """A Task whose fields are being set. Those of a frozen dataclass are set in three times the time, which for 100,000
    tasks is a third of a load; once all are set it is made a Task by its class, which has the same slots."""

    __slots__ = Task.__slots__


def _task_of(record: pb.TaskRecord) -> Task:
    # A slice of what is repeated is a list, of which a tuple is made in half the time. What many tasks have alike is in
    # memory once.
    draft: Any = _Draft()
    draft.id = record.id
    draft.group = _group(record.stack, record.service, tuple(record.labels[:]))
    draft.slot = record.slot
    draft.attempt = record.attempt
    draft.version = _same(record.version)
    draft.generation = record.generation
    draft.goal = _GOALS[record.goal]
    draft.state = _STATES[record.state]
    draft.health = _HEALTHS[record.health]
    draft.agent_id = _same(record.agent_id)
    draft.hostname = _same(record.hostname)
    draft.address = _same(record.address)
    draft.executor_id = _same(record.executor_id)
    draft.host_ports = tuple(record.host_ports[:])
    draft.launched_at = record.launched_at
    draft.state_since = record.state_since
    draft.running_since = record.running_since
    draft.ended_at = record.ended_at
    draft.reason = record.reason
    draft.message = record.message
    draft.exit_code = record.exit_code if record.has_exit_code else None
    draft.container_id = record.container_id
    draft.sandbox = _same(record.sandbox)
    draft.addresses = tuple(record.addresses[:])
    draft.stop_cause = record.stop_cause
    draft.predecessors = tuple(record.predecessors[:])
    draft.adopts = record.adopts
    draft.is_orphaned = record.orphaned
    draft.replaced_at = record.replaced_at
    draft.beside = record.beside or None
    draft.ready_since = record.ready_since
    draft.readiness = _READINESSES[record.readiness]
    draft.permanent = record.permanent
    draft.failures = record.failures
    draft.backoff = _backoff_of(record.backoff) if record.HasField("backoff") else None
    draft.__class__ = Task
    task: Task = draft
    return task


def agent_bytes(agent: KnownAgent) -> bytes:
    """An agent's record, to be put in a bucket; raises ValueError for what no record can hold."""
    return pb.AgentRecord(
        id=agent.id,
        hostname=agent.hostname,
        region=agent.region,
        zone=agent.zone,
        attributes=[pb.AttributeRecord(name=name, text=text) for name, text in agent.attributes],
        failures=[
            pb.FailuresRecord(
                stack=each.group.stack,
                service=each.group.service,
                labels=each.group.labels,
                count=each.count,
                at=each.at,
            )
            for each in agent.failures
        ],
    ).SerializeToString()


def _agent_of(record: pb.AgentRecord) -> KnownAgent:
    return KnownAgent(
        id=AgentId(record.id),
        hostname=record.hostname,
        region=record.region,
        zone=record.zone,
        attributes=tuple([(each.name, each.text) for each in record.attributes]),
        failures=tuple(
            [
                Failures(group=_group(each.stack, each.service, tuple(each.labels)), count=each.count, at=each.at)
                for each in record.failures
            ]
        ),
    )


def bucket_node(records: Iterable[bytes]) -> bytes:
    """A bucket of tasks' records, or of agents': their bytes are joined, not parsed and written anew."""
    parts = [pb.TaskBucket(schema=SCHEMA).SerializeToString()]
    for record in records:
        parts += (_RECORDS_TAG, _varint(len(record)), record)
    return fold(b"".join(parts))


def bucket_of(data: bytes) -> list[tuple[Task, bytes]]:
    """The tasks of a bucket, each with the bytes of its record; raises RecordFault."""
    bucket = parse(pb.TaskBucket(), data)
    try:
        return [(_task_of(record), record.SerializeToString()) for record in bucket.tasks]
    except KeyError as error:
        raise RecordFault(f"has a word that no task has: {error}") from error


def agents_of(data: bytes) -> list[tuple[KnownAgent, bytes]]:
    """The agents of a bucket, each with the bytes of its record; raises RecordFault."""
    return [(_agent_of(record), record.SerializeToString()) for record in parse(pb.AgentBucket(), data).agents]


def serial_of(task_id: TaskId) -> int:
    """The number at the end of a task id, given only once; raises ValueError where there is none."""
    serial = task_id.rpartition(".")[2]
    if not (serial.isascii() and serial.isdecimal()):
        raise ValueError(f"task id {task_id!r}: wanted one that ends in .<serial number>")
    return int(serial)


def fold(message: bytes) -> bytes:
    """The zlib form where the message is large and that makes it smaller, else the very message."""
    if len(message) <= LARGE_BYTES:
        return message
    folded = zlib.compress(message, _ZLIB_LEVEL)
    return folded if len(folded) < len(message) else message


def _inflate(data: bytes) -> bytes:
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
        record.ParseFromString(_inflate(data) if data[:1] == bytes([_ZLIB_MARK]) else data)
    except DecodeError as error:
        raise RecordFault(f"is no {type(record).__name__}") from error
    if record.schema == 0:
        raise RecordFault(f"is no {type(record).__name__}: it has no schema")
    if record.schema > SCHEMA:
        raise NewerSchema(record.schema)
    return record


def _varint(number: int) -> bytes:
    """Protobuf's form of a length."""
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    digits.append(number)
    return bytes(digits)
