"""The events of the executor: all inputs of its core."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from executor.core.order import Order
from specs.ids import TaskId, VersionId
from specs.model.in_place import InPlaceSettings


class Operation(StrEnum):
    """The operations on a container, performed one at a time per task."""

    ADOPT = "adopt"
    PULL = "pull"
    CREATE = "create"
    START = "start"
    SIGNAL = "signal"
    REMOVE = "remove"


class Purpose(StrEnum):
    """The purpose of a check. A task that is not healthy is stopped; one that is not ready gets no requests."""

    HEALTH = "health"
    READY = "ready"


# ---- from Mesos ---------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribed:
    """The agent has accepted the subscription, for the first time or again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnected:
    """The connection to the agent is lost: `reason` in words."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Superseded:
    """This executor's agent is no more: the one at its address has another id, or another executor under this id. No
    event comes from an agent any more, and no status is accepted: `reason` in words."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchReceived:
    """A task to run. `task` is Mesos's TaskInfo, kept as it came for subscribing again."""

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
    """A task to stop. `grace_seconds` replaces the grace in its own settings."""

    task_id: TaskId
    grace_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateInPlaceReceived:
    """An in-place update. The tasks get the in-place settings of `version`, which differs from theirs in these alone; a
    task that has had fewer than `signals` signals gets `signal`. It can come again."""

    task_ids: tuple[TaskId, ...]
    version: VersionId
    settings: InPlaceSettings
    signals: int = 0
    signal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """The agent has stored the status with this uuid."""

    task_id: TaskId
    uuid: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ShutdownReceived:
    """The executor must end, and all its tasks with it."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetireReceived:
    """The executor must end, and its containers run on for another executor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartExecReceived:
    """A command to run where a task runs. The scheduler at `url` sends it to the holder of the `key`."""

    task_id: TaskId
    url: str
    key: str


# ---- from the engine -----------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """The task has taken over the container of a predecessor, which has run since `started_at`, in seconds since 1970.
    If it has ended meanwhile, an Exited follows."""

    task_id: TaskId
    container_id: str
    addresses: tuple[str, ...]
    started_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NothingToAdopt:
    """None of the predecessors' containers is left: the task starts as any other."""

    task_id: TaskId


@dataclass(frozen=True, slots=True, kw_only=True)
class PullProgressed:
    """Progress of the pull of a task's image, in bytes as far as the engine knows them."""

    task_id: TaskId
    done_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    task_id: TaskId


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageMissing:
    """The container was not created because its image is not on this agent."""

    task_id: TaskId


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """`container_id` is the engine's; "" for a plain process."""

    task_id: TaskId
    container_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """It runs. `addresses` are those under which it is reached; `pid` is that of a plain process, else 0."""

    task_id: TaskId
    addresses: tuple[str, ...]
    pid: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Exited:
    """It has ended. `exit_code` is 128 + n for signal n, None if it is unknown."""

    task_id: TaskId
    exit_code: int | None
    is_out_of_memory: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """Only its logs are left. The exit code is the engine's last word, `last_words` its last line on stderr."""

    task_id: TaskId
    exit_code: int | None
    is_out_of_memory: bool = False
    last_words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationFailed:
    """An operation has failed. `is_temporary`: the engine could not be reached, so the outcome is unknown. `permanent`
    is a word of specs.permanence if another attempt would fail in the same way."""

    task_id: TaskId
    operation: Operation
    message: str
    is_temporary: bool = False
    permanent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReported:
    """The outcome of check number `serial` of a task. `message` names the request and the answer; `code` is the status
    code, the exit code, or 1 or 0 for a connection, None without an answer."""

    task_id: TaskId
    purpose: Purpose
    serial: int
    is_healthy: bool
    message: str
    code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HookEnded:
    """Hook number `serial` of a task has ended. `is_done`: in time and with exit code 0."""

    task_id: TaskId
    serial: int
    is_done: bool
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplatesRendered:
    """The files of the templates with these indexes have changed. `fault` names a template that does not render and the
    reason, "" if all do."""

    task_id: TaskId
    changed: tuple[int, ...]
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notified:
    """A task was notified of a changed file; `fault` is the reason if that failed, else ""."""

    task_id: TaskId
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """Withdrawal number `serial` is done in all back ends: nobody finds the task's endpoint."""

    task_id: TaskId
    serial: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundContainer:
    """A container of our framework on this machine."""

    #: The engine's id of it.
    container_id: str
    #: The task to which it belongs, or belonged last.
    task_id: TaskId
    #: Whether this process has created or adopted it.
    is_ours: bool
    #: Whether the executor that created it is no more and no other has adopted it.
    is_abandoned: bool
    #: Whether it was created for an agent id that this agent neither has nor had.
    is_foreign: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainersListed:
    containers: tuple[FoundContainer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveOrphansReceived:
    """The scheduler has answered: nobody wants the containers of these tasks."""

    task_ids: tuple[TaskId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Woke:
    """The time of `wakes_at` has come."""


Event = (
    Subscribed
    | Disconnected
    | Superseded
    | LaunchReceived
    | LaunchGarbled
    | KillReceived
    | UpdateInPlaceReceived
    | Acknowledged
    | ShutdownReceived
    | RetireReceived
    | StartExecReceived
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
    | RemoveOrphansReceived
    | Woke
)
