"""The commands of the executor's core: what the loop performs for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from discovery.endpoints import Endpoint
from executor.core.events import Purpose
from executor.core.order import Order
from executor.core.statuses import Status
from specs.ids import TaskId
from specs.model.stack import Hook


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribe:
    """Connect to the agent, naming the statuses and tasks that it can have missed."""

    statuses: tuple[Status, ...]
    tasks: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SendStatus:
    status: Status


@dataclass(frozen=True, slots=True, kw_only=True)
class SendProgress:
    """Send the scheduler the progress of a task's start. Lost when the agent is away: nothing depends on it."""

    task_id: TaskId
    stage: str
    done_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopt:
    """Take over the container of the order's predecessors, or remove it if the order does not adopt. Answered by
    Adopted, NothingToAdopt or OperationFailed."""

    order: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """Pull the order's image. Answered by Pulled or OperationFailed within its own time-out."""

    order: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelPull:
    """The task no longer waits for its image."""

    order: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelTemplates:
    """The task is stopping and its templates are not needed. Its Create is still answered, and soon."""

    order: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """Answered by Created, ImageMissing or OperationFailed."""

    order: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Answered by Started or OperationFailed; later by Exited."""

    order: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """Send a signal. Only a failure is answered, by OperationFailed; the end of the task is an Exited."""

    order: Order
    signal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    """Drain the logs and remove the container or process, running or not. Answered by Removed or OperationFailed."""

    order: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Perform one check, due at that time on the core's clock. Answered by CheckReported with the same serial."""

    order: Order
    purpose: Purpose
    serial: int
    due_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHook:
    """Run a command of post_start or pre_stop. Answered by HookEnded with the same serial."""

    order: Order
    hook: Hook
    serial: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """Notify the task of a changed file, by a signal or by a command beside it. Answered by Notified."""

    order: Order
    signal: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StartExec:
    """Fetch a command from the scheduler at `url`, run it where the order's task runs, and carry its input and output;
    or send the scheduler the `refusal`. Never answered."""

    order: Order | None
    url: str
    key: str
    refusal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """Publish the endpoint of a ready task; those of the tasks that it `replaces` go. Never answered."""

    endpoint: Endpoint
    replaces: tuple[TaskId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdraw:
    """Withdraw the task's endpoint. Answered by Withdrawn with the same serial once nobody can find it, or not at all
    while a back end is away."""

    task_id: TaskId
    serial: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListContainers:
    """List the containers. Answered by ContainersListed, or not at all while the engine is away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reap:
    """Stop and remove a container that nobody claims."""

    container_id: str
    task_id: TaskId


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOrphanContainers:
    """Report orphan containers of other agent ids to the scheduler. Answered by RemoveOrphansReceived for those that
    nobody wants, or not at all."""

    task_ids: tuple[TaskId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """End the process. `hands_over`: another executor takes over the containers and their endpoints."""

    reason: str
    hands_over: bool = False


Command = (
    Subscribe
    | SendStatus
    | SendProgress
    | Adopt
    | Pull
    | CancelPull
    | CancelTemplates
    | Create
    | Start
    | Signal
    | Remove
    | Check
    | RunHook
    | Notify
    | StartExec
    | Publish
    | Withdraw
    | ListContainers
    | Reap
    | ReportOrphanContainers
    | Exit
)
