"""What can happen to the executor: the inputs of its core."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from executor.core.order import Order
from specs.ids import TaskId, VersionId
from specs.model.in_place import Care


class Operation(StrEnum):
    """The steps of a container's life that are asked of an engine, one at a time."""

    ADOPT = "adopt"
    PULL = "pull"
    CREATE = "create"
    START = "start"
    SIGNAL = "signal"
    REMOVE = "remove"


class Purpose(StrEnum):
    """What a check is for: a task that is not healthy is stopped, one that is not ready is left alone."""

    HEALTH = "health"
    READY = "ready"


# ---- from Mesos ---------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribed:
    """The agent knows us, for the first time or again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnected:
    """The connection to the agent is gone: `reason` in words."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Superseded:
    """This executor's agent is no more: the one at its address has another id, or another executor under this id.
    Nothing more comes from an agent, and nobody takes a status: `reason` in words."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchReceived:
    """A task to run. `task` is Mesos's TaskInfo, kept as it came for re-subscribing."""

    order: Order
    task: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchGarbled:
    """A task whose data cannot be read: `fault` in words."""

    task_id: TaskId
    task: Mapping[str, Any]
    fault: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KillReceived:
    """A task to end; `grace_seconds` replaces the grace of its own settings."""

    task_id: TaskId
    grace_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyReceived:
    """Tasks shall have the care of `version`, from which theirs differs in that alone, and have had so many `signals`:
    those with fewer get `signal`. It may come again."""

    task_ids: tuple[TaskId, ...]
    version: VersionId
    care: Care
    signals: int = 0
    signal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """The agent has taken over the status with this uuid."""

    task_id: TaskId
    uuid: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ShutdownReceived:
    """Everything is to end, and the executor with it."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetireReceived:
    """The executor is to end, and its containers are to run on for another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachReceived:
    """A command is to be run where a task runs: what, the scheduler at `url` tells who has the `key`."""

    task_id: TaskId
    url: str
    key: str


# ---- from the engine -----------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """The container of a predecessor is the task's own now. It has run since `started_at`, in seconds since 1970; if it
    has ended meanwhile, an Exited follows."""

    task_id: TaskId
    container_id: str
    addresses: tuple[str, ...]
    started_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NothingToAdopt:
    """Nothing is left of a task's predecessors: it is to be started as any other."""

    task_id: TaskId


@dataclass(frozen=True, slots=True, kw_only=True)
class PullProgressed:
    """How far the pull of a task's image is, in bytes as far as the engine knows them."""

    task_id: TaskId
    done_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    task_id: TaskId


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageMissing:
    """The container could not be created, because its image is not on this agent."""

    task_id: TaskId


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """`container_id` is the engine's; empty for a plain process."""

    task_id: TaskId
    container_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """It runs; `addresses` are those under which it can be reached, `pid` is a plain process's."""

    task_id: TaskId
    addresses: tuple[str, ...]
    pid: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Exited:
    """It has ended by itself or by a signal. `exit_code` is 128 + n for signal n, None where nobody knows."""

    task_id: TaskId
    exit_code: int | None
    is_out_of_memory: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """Nothing is left of it but its logs. The exit code is what the engine said last, `last_words` its last line on
    stderr."""

    task_id: TaskId
    exit_code: int | None
    is_out_of_memory: bool = False
    last_words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationFailed:
    """An operation came to nothing. `is_temporary`: the engine could not be reached, so the outcome is unknown.
    `permanent` is a word of specs.permanence where trying again would not mend it."""

    task_id: TaskId
    operation: Operation
    message: str
    is_temporary: bool = False
    permanent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReported:
    """The outcome of check number `serial` of a task: `message` says what was asked and what came back, `code` is the
    status code, the exit code, 1 or 0 for a connection; None where nothing came back."""

    task_id: TaskId
    purpose: Purpose
    serial: int
    is_healthy: bool
    message: str
    code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HookEnded:
    """Hook number `serial` of a task has ended; `is_done`: with exit code 0, in time."""

    task_id: TaskId
    serial: int
    is_done: bool
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplatesRendered:
    """The templates with these indexes became other files; `fault` says which does not render, and why, "" where all
    do."""

    task_id: TaskId
    changed: tuple[int, ...]
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notified:
    """A task was told that a file of it has changed; `fault` says why it could not be, "" where it could."""

    task_id: TaskId
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """Nobody can find the task's endpoint any more: withdrawal number `serial` is done everywhere."""

    task_id: TaskId
    serial: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundContainer:
    """A container of our framework on this machine. `is_ours`: made or adopted by this executor's process;
    `is_abandoned`: the executor that made it is no more, and no other has adopted it. `is_foreign`: it was made for
    another agent id than this agent has or had: only the scheduler knows whether that agent is no more."""

    container_id: str
    task_id: TaskId
    is_ours: bool
    is_abandoned: bool
    is_foreign: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainersListed:
    containers: tuple[FoundContainer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnwantedReported:
    """The scheduler says that nobody wants what these tasks have left any more."""

    task_ids: tuple[TaskId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Woke:
    """The time that `wakes_at` named has come."""


Event = (
    Subscribed
    | Disconnected
    | Superseded
    | LaunchReceived
    | LaunchGarbled
    | KillReceived
    | ApplyReceived
    | Acknowledged
    | ShutdownReceived
    | RetireReceived
    | AttachReceived
    | Adopted
    | NothingToAdopt
    | PullProgressed
    | Pulled
    | ImageMissing
    | Created
    | Started
    | Exited
    | Removed
    | OperationFailed
    | CheckReported
    | HookEnded
    | TemplatesRendered
    | Notified
    | Withdrawn
    | ContainersListed
    | UnwantedReported
    | Woke
)
