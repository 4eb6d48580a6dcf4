"""What the executor's core asks of the world."""

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
    """Connect to the agent, naming the statuses and the tasks that it may not know of."""

    statuses: tuple[Status, ...]
    tasks: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SendStatus:
    status: Status


@dataclass(frozen=True, slots=True, kw_only=True)
class SendProgress:
    """Tell the scheduler how far a task's start is. Lost when the agent is away: nothing rests on it."""

    task_id: TaskId
    stage: str
    done_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopt:
    """Take over the container that the order's predecessors left, or remove it where the order does not adopt; answered
    by Adopted, NothingToAdopt or OperationFailed."""

    order: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """Have the order's image pulled; answered by Pulled or OperationFailed within its own timeout."""

    order: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelPull:
    """The task no longer waits for its image."""

    order: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelTemplates:
    """The task is to stop: its templates need not be rendered. Its Create is answered all the same, and soon."""

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
    """Answered only by OperationFailed; the end itself is an Exited."""

    order: Order
    signal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    """Drain the logs and remove whatever is left, running or not; answered by Removed or OperationFailed."""

    order: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check, due at that time on the core's clock; answered by CheckReported with the same serial."""

    order: Order
    purpose: Purpose
    serial: int
    due_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHook:
    """A command of post_start or pre_stop; answered by HookEnded with the same serial."""

    order: Order
    hook: Hook
    serial: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """Tell the task that a file of it has changed: by a signal, or by a command beside it; answered by Notified."""

    order: Order
    signal: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attach:
    """Ask the scheduler at `url` what is to be run beside the order's task, run it, and let it have what goes in and
    comes out; or tell it the `refusal`. Never answered."""

    order: Order | None
    url: str
    key: str
    refusal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """Others may be sent to the task from now on; endpoints of the tasks that it `replaces` go. Never answered."""

    endpoint: Endpoint
    replaces: tuple[TaskId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdraw:
    """Nobody is to be sent to the task any more; answered by Withdrawn with the same serial once nobody can find it, or
    not at all where a back end is away."""

    task_id: TaskId
    serial: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListContainers:
    """Answered by ContainersListed, or not at all if the engine is away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reap:
    """Stop and remove a container that nobody claims."""

    container_id: str
    task_id: TaskId


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOrphanContainers:
    """Ask the scheduler whether what these tasks have left is still wanted; answered by UnwantedReported, or not at
    all."""

    task_ids: tuple[TaskId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """End the executor's process. `hands_over`: another takes over what it has, endpoints too."""

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
    | Attach
    | Publish
    | Withdraw
    | ListContainers
    | Reap
    | ReportOrphanContainers
    | Exit
)
