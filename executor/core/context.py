"""What the parts of the executor's core work on: the tasks, and the commands of the step under way."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How this executor is run.

    `recovery_seconds` is how long it waits for an agent that is away, None if it does not; `shutdown_seconds` is the
    time between the agent's Shutdown and its KILL. `reap_after_seconds` is how long a container that nobody claims is
    left for a task that may still adopt it. `publishes`: there is somewhere where endpoints are published. `is_noop`:
    nothing is started, for benchmarks only.
    """

    epoch: float
    idle_seconds: float = 60.0
    recovery_seconds: float | None = 900.0
    shutdown_seconds: float = 5.0
    reap_after_seconds: float = 30.0
    publishes: bool = False
    is_noop: bool = False


@dataclass(frozen=True, slots=True)
class End:
    """A way in which tasks of a group end."""

    group: GroupId
    state: TaskState
    is_out_of_memory: bool


class Context:
    """State and step. Times are in seconds on a clock that never goes back."""

    def __init__(self, settings: Settings, rng: Random, now: float) -> None:
        self.settings = settings
        self.now = now
        """When the event under way is handled."""
        self.tasks: dict[TaskId, Task] = {}
        self.outbox = Outbox()
        self.reap_at: float | None = None
        """When what is there is listed next."""
        self.looks_owed = 0
        """So many more answered listings are due: an operation's outcome is unknown, the engine may still do it."""
        self.ends: dict[End, int] = {}
        """How many tasks have ended in which way."""
        self._rng = rng
        self._alarms: list[tuple[float, TaskId]] = []  # a heap; an alarm may be out of date, then it does nothing
        self._ended: OrderedDict[TaskId, None] = OrderedDict()
        self._out: list[Command] = []

    # ---- commands ---------------------------------------------------------------

    def emit(self, *commands: Command) -> None:
        """Has these done, after those before."""
        self._out += commands

    def take(self) -> tuple[Command, ...]:
        """The commands of the step, which ends with this."""
        out, self._out = tuple(self._out), []
        return out

    # ---- time -------------------------------------------------------------------

    def alarm(self, task: Task, at: float) -> float:
        """Has the task looked at when that time has come."""
        heappush(self._alarms, (at, task.order.task_id))
        return at

    def next_alarm_at(self) -> float | None:
        """When the next task is to be looked at."""
        return self._alarms[0][0] if self._alarms else None

    def ringing(self) -> Task | None:
        """The next task that is to be looked at now; None if there is none (any more)."""
        while self._alarms and self._alarms[0][0] <= self.now:
            task = self.tasks.get(heappop(self._alarms)[1])
            if task is not None:
                return task
        return None

    def look_at(self, at: float | None) -> None:
        """Has what is there listed at that time, if not before."""
        if at is not None:
            self.reap_at = at if self.reap_at is None else min(self.reap_at, at)

    def chance(self) -> float:
        """A number from 0 to 1."""
        return self._rng.random()

    # ---- statuses ---------------------------------------------------------------

    def report(self, task: Task, state: TaskState, message: str = "", reason: str = "", permanent: str = "") -> None:
        """Tells of a task, as it is now."""
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
            is_ready=task.says_ready,
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
        """Tells of a task that this executor does not have."""
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
        """The task is over, and nothing of it is left."""
        task.phase = Phase.ENDED
        task.forget_times()
        end = End(task.order.group, verdict.state, task.is_out_of_memory)
        self.ends[end] = self.ends.get(end, 0) + 1
        self.remember(task.order.task_id)
        self.report(task, verdict.state, verdict.message, verdict.reason, verdict.permanent)

    def has_ended(self, task_id: TaskId) -> bool:
        """Whether this task is known to be over."""
        return task_id in self._ended

    def remember(self, task_id: TaskId) -> None:
        """This task is over; a launch that comes later finds it so."""
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
