"""Which nodes there are under the store's root, and where in them a write goes. Pure.

/schema              text: what this is, and its schema
/epoch               text: the term of leadership, its holder, and the number of its last transaction
/framework           FrameworkRecord
/stacks/NAME         StackRecord
/rollouts/NAME       RolloutsRecord
/versions/STACK/ID   VersionRecord
/history/NAME        HistoryRecord: of a stack, or of one that was removed
/tasks/BUCKET        TaskBucket: the tasks whose serial // 64 is BUCKET
/agents/BUCKET       AgentBucket: the agents whose id's CRC-32 modulo 256 is BUCKET
/answers/BUCKET      AnswerBucket: the answers whose number // 32 is BUCKET; /answers comes with the first of them

Beside them, as long as the sessions live that made them: /leader, and what is below /standbys, and what executors
publish below /endpoints and /executors, unless they do so elsewhere.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from framework.adapters import records, spec_records
from framework.adapters.histories import history_node
from framework.adapters.records import serial_of
from framework.core.commands import (
    DeleteAgent,
    DeleteAnswer,
    DeleteHistory,
    DeleteRollouts,
    DeleteStack,
    DeleteTask,
    DeleteVersion,
    PutAgent,
    PutAnswer,
    PutFramework,
    PutHistory,
    PutRollouts,
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
ENDPOINTS_NODE = "/endpoints"
EXECUTORS_NODE = "/executors"
PASSING = (LEADER_NODE, STANDBYS_NODE, ENDPOINTS_NODE, EXECUTORS_NODE)
"""Nodes that are no part of the store: they go with the sessions of others."""
FRAMEWORK_NODE = "/framework"
STACKS_NODE = "/stacks"
ROLLOUTS_NODE = "/rollouts"
VERSIONS_NODE = "/versions"
TASKS_NODE = "/tasks"
AGENTS_NODE = "/agents"
HISTORY_NODE = "/history"
ANSWERS_NODE = "/answers"
DIRECTORIES = (STACKS_NODE, VERSIONS_NODE, TASKS_NODE, AGENTS_NODE, ROLLOUTS_NODE, HISTORY_NODE)
BEGAN_WITH = {AGENTS_NODE: 2, ROLLOUTS_NODE: 3, HISTORY_NODE: 3}
"""The schema with which those began that were not there from the first."""

TASKS_PER_BUCKET = 64
ANSWERS_PER_BUCKET = 32
AGENT_BUCKETS = 256
"""Some forty agents each where there are 10,000."""
MAX_NODE_BYTES = 1_000_000
"""ZooKeeper takes requests of up to 1,048,575 bytes (its jute.maxbuffer); the rest is for what goes with the node."""


class Unstorable(ValueError):
    """A write cannot be stored; the message names the node and says what to do."""


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
class AnswerKey:
    """An answer's place; `id` is its number as text."""

    bucket: int
    id: str


@dataclass(frozen=True, slots=True)
class StackKey:
    """A stack's place."""

    name: str


@dataclass(frozen=True, slots=True)
class RolloutsKey:
    """The place of a stack's rollouts."""

    stack: str


@dataclass(frozen=True, slots=True)
class HistoryKey:
    """The place of a stack's history."""

    stack: str


@dataclass(frozen=True, slots=True)
class VersionKey:
    """A version's place."""

    stack: str
    id: VersionId


@dataclass(frozen=True, slots=True)
class FrameworkKey:
    """The framework's own place."""


Key: TypeAlias = TaskKey | AgentKey | AnswerKey | StackKey | RolloutsKey | HistoryKey | VersionKey | FrameworkKey
Changes: TypeAlias = Mapping[Key, bytes | None]


def changes_of(save: Save) -> dict[Key, bytes | None]:
    """The node changes of a save; of two writes to one place the later counts. Raises Unstorable."""
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
    check_size(_what(write), len(data or b""), is_of_agents=isinstance(key, AgentKey))
    return key, data


def check_size(what: str, size: int, *, is_of_agents: bool) -> None:
    """Raises Unstorable where so many bytes are too many for a node."""
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


def bucket_of(task_id: TaskId) -> int:
    """The bucket of a task; raises ValueError for an id without a serial number."""
    return serial_of(task_id) // TASKS_PER_BUCKET


def bucket_of_agent(agent_id: AgentId) -> int:
    """The bucket of an agent, from 0 to AGENT_BUCKETS - 1; raises ValueError for an id that is no Unicode text."""
    return zlib.crc32(agent_id.encode()) % AGENT_BUCKETS


def is_ours(path: str) -> bool:
    """Whether there may be such a node that lasts, and somebody reads it: /tasks/7, but not /tasks/x or /mine."""
    directory, _, name = path.rpartition("/")
    if not directory:
        return path in (SCHEMA_NODE, EPOCH_NODE, FRAMEWORK_NODE, ANSWERS_NODE, *DIRECTORIES)
    if directory in (TASKS_NODE, AGENTS_NODE, ANSWERS_NODE):
        return is_bucket_name(name) and (directory != AGENTS_NODE or int(name) < AGENT_BUCKETS)
    is_of_stack = directory in (STACKS_NODE, ROLLOUTS_NODE, VERSIONS_NODE, HISTORY_NODE)
    return is_of_stack or directory.rpartition("/")[0] == VERSIONS_NODE


def is_bucket_name(name: str) -> bool:
    """Whether it is a number as buckets have it."""
    return name.isascii() and name.isdecimal() and len(name) < 20 and str(int(name)) == name


# ---- inside ------------------------------------------------------------------------


def _change(write: Write) -> tuple[Key, bytes | None]:
    match write:
        case PutFramework():
            return FrameworkKey(), records.framework_node(write)
        case PutStack():
            return StackKey(write.stack.name), spec_records.stack_node(write.stack)
        case DeleteStack():
            return StackKey(write.name), None
        case PutRollouts():
            return RolloutsKey(write.rollouts.stack), spec_records.rollouts_node(write.rollouts)
        case DeleteRollouts():
            return RolloutsKey(write.stack), None
        case PutHistory():
            return HistoryKey(write.history.stack), history_node(write.history)
        case DeleteHistory():
            return HistoryKey(write.stack), None
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
        case PutAnswer():
            return _answer_key(write.answer.number), records.answer_bytes(write.answer)
        case DeleteAnswer():
            return _answer_key(write.number), None


def _answer_key(number: int) -> AnswerKey:
    return AnswerKey(number // ANSWERS_PER_BUCKET, str(number))


def _what(write: Write) -> str:
    match write:
        case PutFramework():
            return "the framework's record"
        case PutStack():
            return f"stack {write.stack.name}"
        case DeleteStack():
            return f"stack {write.name}"
        case PutRollouts():
            return f"rollouts of stack {write.rollouts.stack}"
        case DeleteRollouts():
            return f"rollouts of stack {write.stack}"
        case PutHistory():
            return f"the history of stack {write.history.stack}"
        case DeleteHistory():
            return f"the history of stack {write.stack}"
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
        case PutAnswer():
            return f"the answer to request {write.answer.key.text}"
        case DeleteAnswer():
            return f"answer {write.number}"
