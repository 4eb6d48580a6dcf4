"""Statuses on their way to the agent: kept until acknowledged, sent in order, and sent again without an answer."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heappop, heappush

from specs.ids import TaskId
from specs.model.stack import CheckKind
from specs.states import TaskState

FIRST_RESEND_SECONDS = 5.0
"""Pause before a status is sent again; doubled each time up to the last pause."""
LAST_RESEND_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckStatus:
    """The last outcome of a readiness check. `code` is a status code, an exit code, or 1 or 0 for a connection."""

    kind: CheckKind
    code: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The report on a task at one moment."""

    task_id: TaskId
    state: TaskState
    #: 16 bytes.
    uuid: bytes
    #: Seconds since 1970.
    timestamp: float
    #: In words, for users.
    message: str = ""
    #: One of Mesos's REASON_… names, or "".
    reason: str = ""
    #: None without a check, or before its first outcome.
    is_healthy: bool | None = None
    #: None without a check and post_start, or before an outcome; False once the task is being stopped.
    is_ready: bool | None = None
    #: Whether it is ready as before, although it has not passed a check that was changed. None and False of the two
    #: above are then the outcome of the changed check.
    is_on_probation: bool = False
    check: CheckStatus | None = None
    addresses: tuple[str, ...] = ()
    container_id: str = ""
    #: 128 + n for signal n; None while it runs, or if the code is unknown.
    exit_code: int | None = None
    is_out_of_memory: bool = False
    #: Seconds since 1970 for a container that this executor has adopted, else 0.
    running_since: float = 0.0
    #: A word of specs.permanence if another attempt would end in the same way, else "".
    permanent: str = ""
    #: The version whose in-place settings the task has; "" for a task that is not known.
    version: str = ""
    #: How many of its group's signals the task has had.
    signals: int = 0


@dataclass(slots=True, kw_only=True)
class _Head:
    """The sending of a task's oldest status."""

    due_at: float
    pause_seconds: float


class Outbox:
    """For each task a queue of statuses, of which only the oldest is under way. So an agent never gets two statuses of
    a task in the wrong order, whatever is lost and sent again."""

    def __init__(self) -> None:
        self._queues: dict[TaskId, deque[Status]] = {}
        self._heads: dict[TaskId, _Head] = {}  # those that were sent at least once
        self._alarms: list[tuple[float, TaskId]] = []  # a heap; those that are out of date are skipped
        self._is_connected = False

    def __len__(self) -> int:
        """Number of tasks with an unacknowledged status."""
        return len(self._queues)

    def has(self, task_id: TaskId) -> bool:
        """Whether a status of this task is unacknowledged."""
        return task_id in self._queues

    def push(self, status: Status, now: float) -> tuple[Status, ...]:
        """Takes a status in; returns the statuses to send now."""
        queue = self._queues.setdefault(status.task_id, deque())
        queue.append(status)
        return self._send_head(status.task_id, now) if len(queue) == 1 else ()

    def acknowledge(self, task_id: TaskId, uuid: bytes, now: float) -> tuple[bool, tuple[Status, ...]]:
        """Whether this was the status under way, and the statuses to send now. Any other acknowledgement is an old
        one."""
        queue = self._queues.get(task_id)
        if not queue or queue[0].uuid != uuid:
            return False, ()
        queue.popleft()
        self._heads.pop(task_id, None)
        if not queue:
            del self._queues[task_id]
            return True, ()
        return True, self._send_head(task_id, now)

    def connect(self, now: float) -> tuple[Status, ...]:
        """The agent is connected again and has got `unacknowledged()` with the subscription; returns the others to
        send."""
        self._is_connected = True
        for task_id in self._heads:
            self._expect(task_id, now, FIRST_RESEND_SECONDS)
        return self._send_heads((task_id for task_id in self._queues if task_id not in self._heads), now)

    def disconnect(self) -> None:
        """The agent is away: nothing is sent."""
        self._is_connected = False

    def unacknowledged(self) -> tuple[Status, ...]:
        """The statuses that were sent and not acknowledged: a subscription names them."""
        return tuple(self._queues[task_id][0] for task_id in self._heads)

    def due(self, now: float) -> tuple[Status, ...]:
        """The statuses without an acknowledgement for too long, to send again."""
        if not self._is_connected:
            return ()
        due: list[TaskId] = []
        while self._next_alarm() is not None and self._alarms[0][0] <= now:
            due.append(heappop(self._alarms)[1])
        return self._send_heads(due, now)

    def wakes_at(self) -> float | None:
        """When `due` has the next one."""
        return self._next_alarm() if self._is_connected else None

    def _next_alarm(self) -> float | None:
        while self._alarms:
            at, task_id = self._alarms[0]
            head = self._heads.get(task_id)
            if head is not None and head.due_at == at:
                return at
            heappop(self._alarms)
        return None

    def _expect(self, task_id: TaskId, now: float, pause_seconds: float) -> None:
        """The task's oldest status was sent; it is sent again after the pause."""
        self._heads[task_id] = _Head(due_at=now + pause_seconds, pause_seconds=pause_seconds)
        heappush(self._alarms, (now + pause_seconds, task_id))

    def _send_heads(self, task_ids: Iterable[TaskId], now: float) -> tuple[Status, ...]:
        return tuple(status for task_id in list(task_ids) for status in self._send_head(task_id, now))

    def _send_head(self, task_id: TaskId, now: float) -> tuple[Status, ...]:
        if not self._is_connected:
            return ()
        before = self._heads.get(task_id)
        pause = min(before.pause_seconds * 2, LAST_RESEND_SECONDS) if before else FIRST_RESEND_SECONDS
        self._expect(task_id, now, pause)
        return (self._queues[task_id][0],)
