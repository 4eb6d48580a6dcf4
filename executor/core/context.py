"""The state on which all parts of the executor's core work, and the commands of the current step."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from heapq import heappop, heappush
from random import Random

from executor.core import commands as do
from executor.core.commands import Command
from executor.core.statuses import Outbox, Status
from executor.core.task import Phase, Task, Verdict
from specs.ids import GroupId, TaskId
from specs.states import TaskState

REMEMBERED_ENDS = 1000
"""Limit on ended tasks that are remembered: a launch that comes after its kill finds its task here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The configuration of this executor."""

    #: Seconds since 1970 at the zero of the core's clock.
    epoch: float
    #: Seconds without a task after which the executor ends.
    idle_seconds: float = 60.0
    #: Seconds to wait for an agent that is away; None: without checkpointing it ends at once.
    recovery_seconds: float | None = 900.0
    #: Seconds between the agent's Shutdown and its KILL.
    shutdown_seconds: float = 5.0
    #: Seconds for which an unclaimed container stays, so that a task can still adopt it.
    reap_after_seconds: float = 30.0
    #: Whether there is a back end for endpoints.
    publishes: bool = False
    #: Whether nothing is started, for benchmarks only.
    is_noop: bool = False


@dataclass(frozen=True, slots=True)
class End:
    """One way in which tasks of a group end; the key of a metric."""

    group: GroupId
    state: TaskState
    is_out_of_memory: bool


class Context:
    """State and commands. Times are in seconds on a clock that never goes back."""

    def __init__(self, settings: Settings, rng: Random, now: float) -> None:
        self.settings = settings
        #: The time of the current event.
        self.now = now
        #: Tasks from their order to the acknowledgement of their last status.
        self.tasks: dict[TaskId, Task] = {}
        #: Statuses that the agent has not acknowledged.
        self.outbox = Outbox()
        #: When the containers are listed next.
        self.reap_at: float | None = None
        #: Number of answered listings that are still due, because the engine can still carry out an operation whose
        #: outcome is unknown.
        self.looks_owed = 0
        #: Number of tasks that have ended in each way since the executor began.
        self.ends: dict[End, int] = {}
        self._rng = rng
        self._alarms: list[tuple[float, TaskId]] = []  # a heap; one that is out of date does nothing
        self._ended: OrderedDict[TaskId, None] = OrderedDict()
        self._out: list[Command] = []

    # ---- commands ---------------------------------------------------------------

    def emit(self, *commands: Command) -> None:
        """Queues commands after those of this step; the loop performs them in order."""
        self._out += commands

    def take(self) -> tuple[Command, ...]:
        """Ends the step and returns its commands."""
        out, self._out = tuple(self._out), []
        return out

    # ---- time -------------------------------------------------------------------

    def alarm(self, task: Task, at: float) -> float:
        """Has the task checked for due work at that time."""
        heappush(self._alarms, (at, task.order.task_id))
        return at

    def next_alarm_at(self) -> float | None:
        """The time of the next alarm; it can be out of date."""
        return self._alarms[0][0] if self._alarms else None

    def ringing(self) -> Task | None:
        """The next task whose alarm is due; None if there is none."""
        while self._alarms and self._alarms[0][0] <= self.now:
            task = self.tasks.get(heappop(self._alarms)[1])
            if task is not None:
                return task
        return None

    def look_at(self, at: float | None) -> None:
        """Has the containers listed at that time, or earlier."""
        if at is not None:
            self.reap_at = at if self.reap_at is None else min(self.reap_at, at)

    def chance(self) -> float:
        """A random number from 0 to 1."""
        return self._rng.random()

    # ---- statuses ---------------------------------------------------------------

    def report(self, task: Task, state: TaskState, message: str = "", reason: str = "", permanent: str = "") -> None:
        """Queues a status of the task as it is now."""
        is_over = task.phase is Phase.ENDED and task.started_at is not None
        is_adopted = task.was_adopted and task.started_at is not None
        status = Status(
            task_id=task.order.task_id,
            state=state,
            uuid=self._uuid(),
            timestamp=self.settings.epoch + self.now,
            message=message,
            reason=reason,
            is_healthy=task.health.is_healthy if task.health is not None else None,
            is_ready=task.reported_ready,
            is_on_probation=task.is_on_probation,
            check=task.check_status,
            addresses=task.addresses,
            container_id=task.container_id,
            exit_code=task.exit_code if is_over else None,
            is_out_of_memory=task.is_out_of_memory,
            running_since=self.settings.epoch + (task.started_at or 0.0) if is_adopted else 0.0,
            permanent=permanent,
            version=task.order.version,
            signals=task.order.signals,
        )
        self._push(status)

    def report_unknown(self, task_id: TaskId, state: TaskState, message: str, reason: str = "") -> None:
        """Queues a status of a task that this executor does not have."""
        self._push(
            Status(
                task_id=task_id,
                state=state,
                uuid=self._uuid(),
                timestamp=self.settings.epoch + self.now,
                message=message,
                reason=reason,
            )
        )

    def end(self, task: Task, verdict: Verdict) -> None:
        """Ends the task, of which nothing is left, and reports the verdict."""
        task.phase = Phase.ENDED
        task.forget_times()
        end = End(task.order.group, verdict.state, task.is_out_of_memory)
        self.ends[end] = self.ends.get(end, 0) + 1
        self.remember(task.order.task_id)
        self.report(task, verdict.state, verdict.message, verdict.reason, verdict.permanent)

    def has_ended(self, task_id: TaskId) -> bool:
        """Whether the task is known to have ended."""
        return task_id in self._ended

    def remember(self, task_id: TaskId) -> None:
        """Remembers the end of a task, for a launch that comes later."""
        self._ended[task_id] = None
        while len(self._ended) > REMEMBERED_ENDS:
            self._ended.popitem(last=False)

    def _push(self, status: Status) -> None:
        self.emit(*(do.SendStatus(status=sent) for sent in self.outbox.push(status, self.now)))

    def _uuid(self) -> bytes:
        """A random UUID of version 4, the only kind that Mesos takes without complaint."""
        number = self._rng.getrandbits(128)
        number = (number & ~(0xF << 76)) | (0x4 << 76)
        number = (number & ~(0x3 << 62)) | (0x2 << 62)
        return number.to_bytes(16)
