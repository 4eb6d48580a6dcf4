"""Versions, tasks, agents, answers and the framework itself: model values <-> messages of specs/records.proto <-> the
bytes of a node. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from framework.adapters.packing import NOT_PLAIN, SCHEMA, RecordFault, fold, parse, unfold
from framework.adapters.spec_records import one_group
from framework.core.commands import PutFramework
from framework.core.model import AgentFailures, Answered, Backoff, KnownAgent, RequestKey, Task, Version
from specs import records_pb2 as pb
from specs.ids import AgentId, FrameworkId, TaskId, VersionId
from specs.model.canonical import version_from_json, version_json
from specs.states import Goal, Health, Readiness, TaskState

# Tasks have one field number in their bucket, agents and answers the same in theirs.
_RECORDS_TAG = bytes([pb.TaskBucket.TASKS_FIELD_NUMBER << 3 | 2])
_DISTINCT_TEXTS = 65_536
"""Limit on interned texts that many tasks share: ids and addresses of agents, sandboxes, versions."""
# Looked up here, since calling an enumeration costs a microsecond, three times for each of 100,000 tasks.
_GOALS = {goal.value: goal for goal in Goal}
_STATES = {state.value: state for state in TaskState}
_HEALTHS = {health.value: health for health in Health}
_READINESSES = {"": Readiness.NONE} | {readiness.value: readiness for readiness in Readiness}
_same = lru_cache(maxsize=_DISTINCT_TEXTS)(str)


def framework_node(put: PutFramework) -> bytes:
    """The record of the framework itself."""
    record = pb.FrameworkRecord(schema=SCHEMA, framework_id=put.framework_id or "", next_serial=put.next_serial)
    return record.SerializeToString()


def framework_of(data: bytes) -> PutFramework:
    """The way back; raises RecordFault."""
    record = parse(pb.FrameworkRecord(), data)
    name = record.framework_id
    return PutFramework(framework_id=FrameworkId(name) if name else None, next_serial=record.next_serial)


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
    settings = unfold(record.json) if record.compressed else record.json
    try:
        container, resources = version_from_json(settings)
    except NOT_PLAIN as error:
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
        signals=task.signals,
        makes_way=task.makes_way,
        on_probation=task.is_on_probation,
        left=task.is_left,
        sweeps=task.sweeps,
    ).SerializeToString()


def _backoff_record(backoff: Backoff) -> pb.BackoffRecord:
    return pb.BackoffRecord(
        at=backoff.at,
        until=backoff.until,
        delay_seconds=backoff.delay_seconds,
        cause=backoff.cause,
        failures=backoff.failures,
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
    draft.group = one_group(record.stack, record.service, tuple(record.labels[:]))
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
    draft.signals = record.signals
    draft.makes_way = record.makes_way
    draft.is_on_probation = record.on_probation
    draft.is_left = record.left
    draft.sweeps = record.sweeps
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
                AgentFailures(
                    group=one_group(each.stack, each.service, tuple(each.labels)), count=each.count, at=each.at
                )
                for each in record.failures
            ]
        ),
    )


def answer_bytes(answer: Answered) -> bytes:
    """An answer's record, to be put in a bucket; raises ValueError for what no record can hold."""
    return pb.AnswerRecord(
        key=answer.key.text,
        digest=answer.key.digest,
        number=answer.number,
        at=answer.at,
        changed=answer.changed,
        index=answer.index,
        message=answer.message,
    ).SerializeToString()


def answers_of(data: bytes) -> list[tuple[Answered, bytes]]:
    """The answers of a bucket, each with the bytes of its record; raises RecordFault."""
    return [(_answer_of(record), record.SerializeToString()) for record in parse(pb.AnswerBucket(), data).answers]


def _answer_of(record: pb.AnswerRecord) -> Answered:
    return Answered(
        key=RequestKey(text=record.key, digest=record.digest),
        number=record.number,
        at=record.at,
        changed=tuple(record.changed),
        index=record.index,
        message=record.message,
    )


def bucket_node(records: Iterable[bytes]) -> bytes:
    """A bucket of tasks' records, of agents' or of answers': their bytes are joined, not parsed and written anew."""
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


def _varint(number: int) -> bytes:
    """Protobuf's form of a length."""
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    digits.append(number)
    return bytes(digits)
