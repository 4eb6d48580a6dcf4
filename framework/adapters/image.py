"""Which nodes a change touches, and what they hold after it: a picture of the store, with its transactions. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from framework.adapters import packing, records
from framework.adapters.nodes import (
    AGENTS_NODE,
    ANSWERS_NODE,
    FRAMEWORK_NODE,
    HISTORY_NODE,
    ROLLOUTS_NODE,
    STACKS_NODE,
    TASKS_NODE,
    VERSIONS_NODE,
    AgentKey,
    AnswerKey,
    Changes,
    FrameworkKey,
    HistoryKey,
    Key,
    RolloutsKey,
    StackKey,
    TaskKey,
    VersionKey,
    check_size,
)
from specs.ids import VersionId

MAX_TRANSACTION_BYTES = 900_000
MAX_TRANSACTION_NODES = 500
_OPERATION_BYTES = 100
"""More than an operation takes beside its path and data."""


class Rank(IntEnum):
    """The order in which nodes are written: safe wherever it breaks off.

    The counter of serials goes up before a task has one; a version is there before who names it, and goes after; a
    stack goes after its tasks, and its history comes before it; an agent is there before tasks on it, and goes after.
    An answer comes after what it says: one who asks again of what has broken off gets it done.
    """

    FRAMEWORK = 1
    NEW_VERSION = 2
    HISTORY = 3
    STACK = 4
    AGENTS = 5
    TASKS = 6
    ANSWERS = 7
    OLD_AGENTS = 8
    OLD_STACK = 9
    OLD_HISTORY = 10
    OLD_VERSION = 11


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
    """The records of each node, by the ids of their subjects."""
    sizes: dict[int, int] = field(default_factory=dict)
    """Bytes of the nodes when they were last written or read."""

    def after(self, bucket: int, changed: Mapping[str, bytes | None]) -> dict[str, bytes]:
        """The content of a node after this change."""
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
    rollouts: set[str] = field(default_factory=set)
    histories: set[str] = field(default_factory=set)
    versions: defaultdict[str, set[VersionId]] = field(default_factory=lambda: defaultdict(set))
    tasks: Buckets = field(default_factory=Buckets)
    agents: Buckets = field(default_factory=Buckets)
    answers: Buckets = field(default_factory=Buckets)
    has_answers: bool = False
    """Whether the node above the answers is there: stores of older releases have none."""

    def operations(self, changes: Changes) -> list[Operation]:
        """The operations for the changes, in an order that is safe wherever it breaks off. Raises Unstorable."""
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
                case RolloutsKey():
                    rank = Rank.OLD_STACK if data is None else Rank.STACK
                    found += _put(rank, f"{ROLLOUTS_NODE}/{key.stack}", data, key.stack in self.rollouts)
                case HistoryKey():
                    is_there = key.stack in self.histories
                    rank = Rank.OLD_HISTORY if data is None else Rank.HISTORY
                    found += _put(rank, f"{HISTORY_NODE}/{key.stack}", data, is_there)
                case FrameworkKey():
                    found += _put(Rank.FRAMEWORK, FRAMEWORK_NODE, data, self.has_framework)
        for stack, changed in versions.items():
            found += self._version_operations(stack, changed)
        for bucket, tasks in _by_bucket(changes, TaskKey).items():
            node = _bucket_node(self.tasks.after(bucket, tasks))
            found += _put(Rank.TASKS, f"{TASKS_NODE}/{bucket}", node, bucket in self.tasks.contents)
        for bucket, agents in _by_bucket(changes, AgentKey).items():
            found += self._agent_operations(bucket, agents)
        answered = _by_bucket(changes, AnswerKey)
        if answered and not self.has_answers:
            found += _put(Rank.ANSWERS, ANSWERS_NODE, b"", False)
        for bucket, answers in answered.items():
            node = _bucket_node(self.answers.after(bucket, answers))
            found += _put(Rank.ANSWERS, f"{ANSWERS_NODE}/{bucket}", node, bucket in self.answers.contents)
        for operation in found:
            is_of_agents = operation.rank in (Rank.AGENTS, Rank.OLD_AGENTS)
            check_size(operation.path, len(operation.data or b""), is_of_agents=is_of_agents)
        return sorted(found, key=lambda operation: operation.rank)

    def of(self, kind: type[TaskKey | AgentKey | AnswerKey]) -> Buckets:
        """The nodes that hold several records of this kind."""
        if kind is TaskKey:
            return self.tasks
        return self.agents if kind is AgentKey else self.answers

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
                case RolloutsKey():
                    (self.rollouts.discard if data is None else self.rollouts.add)(key.stack)
                case HistoryKey():
                    (self.histories.discard if data is None else self.histories.add)(key.stack)
                case FrameworkKey():
                    self.has_framework = data is not None
        for bucket, tasks in _by_bucket(changes, TaskKey).items():
            self.tasks.keep(bucket, self.tasks.after(bucket, tasks))
        for bucket, agents in _by_bucket(changes, AgentKey).items():
            self.agents.keep(bucket, self.agents.after(bucket, agents))
        for bucket, answers in _by_bucket(changes, AnswerKey).items():
            self.has_answers = True
            self.answers.keep(bucket, self.answers.after(bucket, answers))
        for operation in operations:
            directory, _, name = operation.path.rpartition("/")
            buckets = {TASKS_NODE: self.tasks, AGENTS_NODE: self.agents, ANSWERS_NODE: self.answers}.get(directory)
            if operation.data is not None and buckets is not None:
                buckets.sizes[int(name)] = len(operation.data)


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
            if isinstance(key, TaskKey | AgentKey | AnswerKey):
                place = (type(key), key.bucket)
                if place in self._buckets:
                    continue
                self._buckets.add(place)
                self._bytes += self._image.of(type(key)).sizes.get(key.bucket, packing.LARGE_BYTES)
            self._nodes += 1
            self._bytes += len(data or b"") + _OPERATION_BYTES
        return is_first or (self._nodes <= MAX_TRANSACTION_NODES and self._bytes <= MAX_TRANSACTION_BYTES)


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


# ---- inside ------------------------------------------------------------------------


def _put(rank: Rank, path: str, data: bytes | None, is_there: bool) -> list[Operation]:
    """The operation that leaves the node with the data, or without a node: none where it is not there anyway."""
    if data is None and not is_there:
        return []
    return [Operation(rank=rank, path=path, data=data, is_new=not is_there)]


def _ids_after(there: set[VersionId], changed: Mapping[VersionId, bytes | None]) -> set[VersionId]:
    put = {version for version, data in changed.items() if data is not None}
    return (there - set(changed)) | put


def _by_bucket(changes: Changes, kind: type[TaskKey | AgentKey | AnswerKey]) -> dict[int, dict[str, bytes | None]]:
    found: defaultdict[int, dict[str, bytes | None]] = defaultdict(dict)
    for key, data in changes.items():
        if isinstance(key, kind):
            found[key.bucket][key.id] = data
    return found


def _bucket_node(content: Mapping[str, bytes]) -> bytes | None:
    """The node of a bucket; none without content."""
    return records.bucket_node(content.values()) if content else None
