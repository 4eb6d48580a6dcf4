"""Which nodes there are under the store's root, and which of them a change touches. Pure.

/schema              text: what this is, and its schema
/epoch               text: the term of leadership, its holder, and the number of its last transaction
/framework           FrameworkRecord
/stacks/NAME         StackRecord
/versions/STACK/ID   VersionRecord
/tasks/BUCKET        TaskBucket: the tasks whose serial // 64 is BUCKET
/agents/BUCKET       AgentBucket: the agents whose id's CRC-32 modulo 256 is BUCKET

Beside them, as long as the sessions live that made them: /leader, and what is below /standbys.
"""

from __future__ import annotations

import json
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeAlias

from framework.adapters import records
from framework.adapters.records import serial_of
from framework.core.commands import (
    DeleteAgent,
    DeleteStack,
    DeleteTask,
    DeleteVersion,
    PutAgent,
    PutFramework,
    PutStack,
    PutTask,
    PutVersion,
    Save,
    Write,
)
from specs.ids import AgentId, TaskId, VersionId

SCHEMA_NODE = "/schema"
EPOCH_NODE = "/epoch"
LEADER_NODE = "/leader"
STANDBYS_NODE = "/standbys"
FRAMEWORK_NODE = "/framework"
STACKS_NODE = "/stacks"
VERSIONS_NODE = "/versions"
TASKS_NODE = "/tasks"
AGENTS_NODE = "/agents"
DIRECTORIES = (STACKS_NODE, VERSIONS_NODE, TASKS_NODE, AGENTS_NODE)

TASKS_PER_BUCKET = 64
AGENT_BUCKETS = 256
"""Some forty agents each where there are 10,000."""
MAX_NODE_BYTES = 1_000_000
"""ZooKeeper takes requests of up to 1,048,575 bytes (its jute.maxbuffer); the rest is for what goes with the node."""
MAX_TRANSACTION_BYTES = 900_000
MAX_TRANSACTION_NODES = 500
_OPERATION_BYTES = 100
"""More than an operation takes beside its path and data."""

KIND = "mesos-framework"
RESTORING_KIND = "mesos-framework, being restored"
"""What marks a root until all of a backup is in it: no scheduler takes it, older ones neither."""


class BeingRestored(records.RecordFault):
    """A backup is being restored to the root, or that broke off."""


class Unstorable(ValueError):
    """What a save holds cannot be stored; the message names the node and says what to do."""


# What is changed: a task or an agent in its bucket, or a node as a whole; with the bytes, or None where it is deleted.
@dataclass(frozen=True, slots=True)
class TaskKey:
    """A task's place."""

    bucket: int
    id: TaskId


@dataclass(frozen=True, slots=True)
class AgentKey:
    """An agent's place."""

    bucket: int
    id: AgentId


@dataclass(frozen=True, slots=True)
class StackKey:
    """A stack's place."""

    name: str


@dataclass(frozen=True, slots=True)
class VersionKey:
    """A version's place."""

    stack: str
    id: VersionId


@dataclass(frozen=True, slots=True)
class FrameworkKey:
    """The framework's own place."""


Key: TypeAlias = TaskKey | AgentKey | StackKey | VersionKey | FrameworkKey
Changes: TypeAlias = Mapping[Key, bytes | None]


class Rank(IntEnum):
    """The order in which nodes are written: safe wherever it breaks off.

    The counter of serials goes up before a task has one; a version is there before who names it, and goes after; a
    stack goes after its tasks; an agent is there before tasks on it, and goes after.
    """

    FRAMEWORK = 1
    NEW_VERSION = 2
    STACK = 3
    AGENTS = 4
    TASKS = 5
    OLD_AGENTS = 6
    OLD_STACK = 7
    OLD_VERSION = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One change of one node: created with `data`, set to `data`, or deleted (`data` None)."""

    rank: Rank
    path: str
    data: bytes | None
    is_new: bool = False

    @property
    def size(self) -> int:
        """Bytes it takes of a request, at most."""
        return len(self.path) + len(self.data or b"") + _OPERATION_BYTES


@dataclass(slots=True)
class Buckets:
    """The nodes that hold several records, with these, so that one that changes is written without reading it."""

    contents: dict[int, dict[str, bytes]] = field(default_factory=dict)
    """Of each node: the records by the ids of what they are of."""
    sizes: dict[int, int] = field(default_factory=dict)
    """Bytes of the nodes when they were last written or read."""

    def after(self, bucket: int, changed: Mapping[str, bytes | None]) -> dict[str, bytes]:
        """What a node is to hold once this has changed."""
        merged = {**self.contents.get(bucket, {}), **changed}
        return {name: record for name, record in merged.items() if record is not None}

    def keep(self, bucket: int, content: dict[str, bytes]) -> None:
        """Takes note of what a node holds; of nothing: that it is gone."""
        if content:
            self.contents[bucket] = content
        else:
            self.contents.pop(bucket, None)
            self.sizes.pop(bucket, None)


@dataclass(slots=True)
class Image:
    """Which nodes there are, with the records of all tasks and agents."""

    has_framework: bool = False
    stacks: set[str] = field(default_factory=set)
    versions: defaultdict[str, set[VersionId]] = field(default_factory=lambda: defaultdict(set))
    tasks: Buckets = field(default_factory=Buckets)
    agents: Buckets = field(default_factory=Buckets)

    def operations(self, changes: Changes) -> list[Operation]:
        """What brings the changes about, in an order that is safe wherever it breaks off. Raises Unstorable."""
        found: list[Operation] = []
        versions: defaultdict[str, dict[VersionId, bytes | None]] = defaultdict(dict)
        for key, data in changes.items():
            match key:
                case VersionKey():
                    versions[key.stack][key.id] = data
                case StackKey():
                    is_there = key.name in self.stacks
                    rank = Rank.OLD_STACK if data is None else Rank.STACK
                    found += _put(rank, f"{STACKS_NODE}/{key.name}", data, is_there)
                case FrameworkKey():
                    found += _put(Rank.FRAMEWORK, FRAMEWORK_NODE, data, self.has_framework)
        for stack, changed in versions.items():
            found += self._version_operations(stack, changed)
        for bucket, tasks in _by_bucket(changes, TaskKey).items():
            node = _bucket_node(self.tasks.after(bucket, tasks))
            found += _put(Rank.TASKS, f"{TASKS_NODE}/{bucket}", node, bucket in self.tasks.contents)
        for bucket, agents in _by_bucket(changes, AgentKey).items():
            found += self._agent_operations(bucket, agents)
        for operation in found:
            is_of_agents = operation.rank in (Rank.AGENTS, Rank.OLD_AGENTS)
            _check_size(operation.path, len(operation.data or b""), is_of_agents=is_of_agents)
        return sorted(found, key=lambda operation: operation.rank)

    def _version_operations(self, stack: str, changed: Mapping[VersionId, bytes | None]) -> list[Operation]:
        """Those of a stack's versions, and of the node above them, which is there while it has any."""
        there = self.versions.get(stack, set())
        parent = f"{VERSIONS_NODE}/{stack}"
        after = _ids_after(there, changed)
        found: list[Operation] = []
        if after and not there:
            found += _put(Rank.NEW_VERSION, parent, b"", False)
        for version, data in changed.items():
            rank = Rank.OLD_VERSION if data is None else Rank.NEW_VERSION
            found += _put(rank, f"{parent}/{version}", data, version in there)
        if there and not after:
            found += _put(Rank.OLD_VERSION, parent, None, True)
        return found

    def _agent_operations(self, bucket: int, changed: Mapping[str, bytes | None]) -> list[Operation]:
        """Those of a node of agents: it is written twice where some come before tasks do, and some go after theirs."""
        path = f"{AGENTS_NODE}/{bucket}"
        is_there = bucket in self.agents.contents
        come = {agent: record for agent, record in changed.items() if record is not None}
        found: list[Operation] = []
        if come:
            found += _put(Rank.AGENTS, path, _bucket_node(self.agents.after(bucket, come)), is_there)
        if len(come) < len(changed):
            node = _bucket_node(self.agents.after(bucket, changed))
            found += _put(Rank.OLD_AGENTS, path, node, is_there or bool(come))
        return found

    def apply(self, changes: Changes, operations: Iterable[Operation]) -> None:
        """Takes note that the operations, which brought the changes about, have happened."""
        for key, data in changes.items():
            match key:
                case VersionKey():
                    ids = _ids_after(self.versions.get(key.stack, set()), {key.id: data})
                    if ids:
                        self.versions[key.stack] = ids
                    else:
                        self.versions.pop(key.stack, None)
                case StackKey():
                    (self.stacks.discard if data is None else self.stacks.add)(key.name)
                case FrameworkKey():
                    self.has_framework = data is not None
        for bucket, tasks in _by_bucket(changes, TaskKey).items():
            self.tasks.keep(bucket, self.tasks.after(bucket, tasks))
        for bucket, agents in _by_bucket(changes, AgentKey).items():
            self.agents.keep(bucket, self.agents.after(bucket, agents))
        for operation in operations:
            directory, _, name = operation.path.rpartition("/")
            if operation.data is not None and directory in (TASKS_NODE, AGENTS_NODE):
                (self.tasks if directory == TASKS_NODE else self.agents).sizes[int(name)] = len(operation.data)


class Filling:
    """About how full a transaction is; told exactly only when its nodes are made."""

    def __init__(self, image: Image) -> None:
        self._image = image
        self._buckets: set[tuple[type[Key], int]] = set()
        self._nodes = 0
        self._bytes = 0

    def takes(self, changes: Changes) -> bool:
        """Adds the changes; whether the transaction is still not too full. The first always fit."""
        is_first = self._nodes == 0
        for key, data in changes.items():
            if isinstance(key, TaskKey | AgentKey):
                place = (type(key), key.bucket)
                if place in self._buckets:
                    continue
                self._buckets.add(place)
                kept = self._image.tasks if isinstance(key, TaskKey) else self._image.agents
                self._bytes += kept.sizes.get(key.bucket, records.LARGE_BYTES)
            self._nodes += 1
            self._bytes += len(data or b"") + _OPERATION_BYTES
        return is_first or (self._nodes <= MAX_TRANSACTION_NODES and self._bytes <= MAX_TRANSACTION_BYTES)


def changes_of(save: Save) -> dict[Key, bytes | None]:
    """What a save changes; of two writes to one place the later counts. Raises Unstorable."""
    changes: dict[Key, bytes | None] = {}
    for write in save.writes:
        key, data = check_write(write)
        changes[key] = data
    return changes


def check_write(write: Write) -> tuple[Key, bytes | None]:
    """The place that is written and its bytes. Raises Unstorable."""
    try:
        key, data = _change(write)
    except ValueError as error:
        raise Unstorable(f"{_what(write)} cannot be stored: {error}") from error
    _check_size(_what(write), len(data or b""), is_of_agents=isinstance(key, AgentKey))
    return key, data


def pieces(operations: Iterable[Operation]) -> list[list[Operation]]:
    """The operations in their order, cut where a transaction is full."""
    cut: list[list[Operation]] = []
    room = nodes = 0
    for operation in operations:
        if not cut or operation.size > room or nodes == 0:
            cut.append([])
            room, nodes = MAX_TRANSACTION_BYTES, MAX_TRANSACTION_NODES
        cut[-1].append(operation)
        room -= operation.size
        nodes -= 1
    return cut


def bucket_of(task_id: TaskId) -> int:
    """The bucket of a task; raises ValueError for an id without a serial number."""
    return serial_of(task_id) // TASKS_PER_BUCKET


def bucket_of_agent(agent_id: AgentId) -> int:
    """The bucket of an agent, from 0 to AGENT_BUCKETS - 1; raises ValueError for an id that is no Unicode text."""
    return zlib.crc32(agent_id.encode()) % AGENT_BUCKETS


# ---- the two nodes that people read with zkCli -------------------------------------


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
        plain = json.loads(data)
        return Epoch(number=int(plain["epoch"]), transaction=int(plain["transaction"]), holder=str(plain["holder"]))
    except (ValueError, KeyError, TypeError) as error:
        raise records.RecordFault(f"is no epoch: {data[:80]!r}") from error


def schema_node() -> bytes:
    """What marks a root as ours."""
    return json.dumps({"kind": KIND, "schema": records.SCHEMA}).encode()


def schema_of(data: bytes) -> int:
    """Which schema the root has; raises RecordFault where it is not ours, BeingRestored, and NewerSchema where a newer
    program made it."""
    try:
        plain = json.loads(data)
        kind, schema = plain["kind"], int(plain["schema"])
    except (ValueError, KeyError, TypeError):
        kind, schema = "", 0
    if kind == RESTORING_KIND:
        raise BeingRestored(
            "says that a backup is being restored, or that this broke off: wait for it, or run `framework restore`"
            " again"
        )
    if kind != KIND or schema < 1:
        raise records.RecordFault(f"is not ours: wanted {schema_node().decode()}, got {data[:80]!r}")
    if schema > records.SCHEMA:
        raise records.NewerSchema(schema)
    return schema


def restoring_node() -> bytes:
    """What marks a root while a backup is being restored there."""
    return json.dumps({"kind": RESTORING_KIND, "schema": records.SCHEMA}).encode()


def is_being_restored(data: bytes) -> bool:
    """Whether a schema node is what `restoring_node` makes."""
    try:
        plain = json.loads(data)
    except ValueError:
        return False
    return isinstance(plain, dict) and plain.get("kind") == RESTORING_KIND


def is_ours(path: str) -> bool:
    """Whether there may be such a node that lasts, and somebody reads it: /tasks/7, but not /tasks/x or /mine."""
    directory, _, name = path.rpartition("/")
    if not directory:
        return path in (SCHEMA_NODE, EPOCH_NODE, FRAMEWORK_NODE, *DIRECTORIES)
    if directory in (TASKS_NODE, AGENTS_NODE):
        return is_bucket_name(name) and (directory == TASKS_NODE or int(name) < AGENT_BUCKETS)
    return directory in (STACKS_NODE, VERSIONS_NODE) or directory.rpartition("/")[0] == VERSIONS_NODE


def is_bucket_name(name: str) -> bool:
    """Whether it is a number as buckets have it."""
    return name.isascii() and name.isdecimal() and len(name) < 20 and str(int(name)) == name


# ---- inside ------------------------------------------------------------------------


def _change(write: Write) -> tuple[Key, bytes | None]:
    match write:
        case PutFramework():
            return FrameworkKey(), records.framework_node(write)
        case PutStack():
            return StackKey(write.stack.name), records.stack_node(write.stack)
        case DeleteStack():
            return StackKey(write.name), None
        case PutVersion():
            return VersionKey(write.version.stack, write.version.id), records.version_node(write.version)
        case DeleteVersion():
            return VersionKey(write.stack, write.id), None
        case PutTask():
            return TaskKey(bucket_of(write.task.id), write.task.id), records.task_bytes(write.task)
        case DeleteTask():
            return TaskKey(bucket_of(write.id), write.id), None
        case PutAgent():
            return AgentKey(bucket_of_agent(write.agent.id), write.agent.id), records.agent_bytes(write.agent)
        case DeleteAgent():
            return AgentKey(bucket_of_agent(write.id), write.id), None


def _what(write: Write) -> str:
    match write:
        case PutFramework():
            return "the framework's record"
        case PutStack():
            return f"stack {write.stack.name}"
        case DeleteStack():
            return f"stack {write.name}"
        case PutVersion():
            return f"version {write.version.id} of stack {write.version.stack}"
        case DeleteVersion():
            return f"version {write.id} of stack {write.stack}"
        case PutTask():
            return f"task {write.task.id}"
        case DeleteTask():
            return f"task {write.id}"
        case PutAgent():
            return f"agent {write.agent.id}"
        case DeleteAgent():
            return f"agent {write.id}"


def _check_size(what: str, size: int, *, is_of_agents: bool) -> None:
    if size > MAX_NODE_BYTES:
        cure = (
            "such as by giving agents shorter attributes"
            if is_of_agents
            else "such as by splitting the stack into several"
        )
        raise Unstorable(
            f"{what}: {size:,} bytes after compression, and a node of ZooKeeper holds at most {MAX_NODE_BYTES:,};"
            f" make it smaller, {cure}"
        )


def _put(rank: Rank, path: str, data: bytes | None, is_there: bool) -> list[Operation]:
    """The operation that leaves the node with the data, or without a node: none where it is not there anyway."""
    if data is None and not is_there:
        return []
    return [Operation(rank=rank, path=path, data=data, is_new=not is_there)]


def _ids_after(there: set[VersionId], changed: Mapping[VersionId, bytes | None]) -> set[VersionId]:
    put = {version for version, data in changed.items() if data is not None}
    return (there - set(changed)) | put


def _by_bucket(changes: Changes, kind: type[TaskKey | AgentKey]) -> dict[int, dict[str, bytes | None]]:
    found: defaultdict[int, dict[str, bytes | None]] = defaultdict(dict)
    for key, data in changes.items():
        if isinstance(key, kind):
            found[key.bucket][key.id] = data
    return found


def _bucket_node(content: Mapping[str, bytes]) -> bytes | None:
    """The node of a bucket; none without content."""
    return records.bucket_node(content.values()) if content else None
