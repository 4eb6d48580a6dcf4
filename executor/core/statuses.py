"""Statuses on their way to the agent: kept until acknowledged, in order, sent again when nothing comes back."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heappop, heappush

from specs.ids import TaskId
from specs.model.stack import CheckKind
from specs.states import TaskState

FIRST_RESEND_SECONDS = 5.0
LAST_RESEND_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckStatus:
    """What a readiness check came back with: a status code, an exit code, 1 or 0 for a connection; None: nothing."""

    kind: CheckKind
    code: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What is said of a task at one moment. `uuid` is 16 bytes, `timestamp` seconds since 1970.

    `is_healthy` is None where there is no check or it has not answered, and so is `is_ready`, which is False once the
    task is to stop; `exit_code` is 128 + n for signal n. `is_on_probation`: it is ready as before, though it has not
    passed a check that was changed; None and False say then what the changed check has found.
    `running_since`, in seconds since 1970, is 0 but for what ran before this executor took it over. `permanent`
    is a word of specs.permanence where trying again would not mend how it ended. `version` is that whose care the task
    has, and `signals` how many it has had of those of its group; "" and 0 of a task that is not known.
    """

    task_id: TaskId
    state: TaskState
    uuid: bytes
    timestamp: float
    message: str = ""
    reason: str = ""
    is_healthy: bool | None = None
    is_ready: bool | None = None
    is_on_probation: bool = False
    check: CheckStatus | None = None
    addresses: tuple[str, ...] = ()
    container_id: str = ""
    exit_code: int | None = None
    is_out_of_memory: bool = False
    running_since: float = 0.0
    permanent: str = ""
    version: str = ""
    signals: int = 0


@dataclass(slots=True, kw_only=True)
class _Head:
    """The sending of a task's oldest status."""

    due_at: float
    pause_seconds: float


class Outbox:
    """For each task a queue of statuses, of which only the oldest is under way.

    So an agent never sees two statuses of a task in the wrong order, whatever is lost and sent again.
    """

    def __init__(self) -> None:
        self._queues: dict[TaskId, deque[Status]] = {}
        self._heads: dict[TaskId, _Head] = {}  # those that were sent at least once
        self._alarms: list[tuple[float, TaskId]] = []  # a heap; those that are out of date are skipped
        self._is_connected = False

    def __len__(self) -> int:
        """Of how many tasks a status is unacknowledged."""
        return len(self._queues)

    def has(self, task_id: TaskId) -> bool:
        """Whether a status of this task is still unacknowledged."""
        return task_id in self._queues

    def push(self, status: Status, now: float) -> tuple[Status, ...]:
        """Takes a status in; returns what is to be sent now."""
        queue = self._queues.setdefault(status.task_id, deque())
        queue.append(status)
        return self._send_head(status.task_id, now) if len(queue) == 1 else ()

    def acknowledge(self, task_id: TaskId, uuid: bytes, now: float) -> tuple[bool, tuple[Status, ...]]:
        """Whether this was the status under way, and what is to be sent now. Anything else is an old echo."""
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
        """The agent listens again. It was told of `unacknowledged()` by the subscription itself; returns the rest."""
        self._is_connected = True
        for task_id in self._heads:
            self._expect(task_id, now, FIRST_RESEND_SECONDS)
        return self._send_heads((task_id for task_id in self._queues if task_id not in self._heads), now)

    def disconnect(self) -> None:
        """Nothing can be sent for a while."""
        self._is_connected = False

    def unacknowledged(self) -> tuple[Status, ...]:
        """The statuses that were sent and not acknowledged: what a subscription names."""
        return tuple(self._queues[task_id][0] for task_id in self._heads)

    def due(self, now: float) -> tuple[Status, ...]:
        """What has been under way for too long and is to be sent again."""
        if not self._is_connected:
            return ()
        due: list[TaskId] = []
        while self._next_alarm() is not None and self._alarms[0][0] <= now:
            due.append(heappop(self._alarms)[1])
        return self._send_heads(due, now)

    def wakes_at(self) -> float | None:
        """When `due` will have something next."""
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
        """The task's oldest status was sent, and is sent again after the pause."""
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
