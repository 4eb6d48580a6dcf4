"""Deadlines by key, in order of time."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from enum import StrEnum

from framework.core.model import Instant


class Timer(StrEnum):
    """The kinds of deadlines; `Scheduler._ring` says what each does. A deadline of the cluster has the name ""."""

    #: Placement runs a moment after there was a reason for it, so that events that come together count together.
    PLACE = "place"
    #: The oldest held offers go back to Mesos.
    HELD_OFFERS = "held offers"
    #: Mesos can be asked for offers again: the last time was too short ago.
    REVIVE = "revive"
    #: Mesos is asked again for offers once declined: tasks have moved at which a pending group's rules look.
    TASKS_MOVED = "tasks moved"
    #: A pending slot has waited long enough for an agent that it prefers.
    DELAY_SCHEDULING = "delay scheduling"
    #: Containers that nobody takes over are removed, or given up.
    SWEEP = "sweep"
    #: No offer has come for a while: the reason is looked for in the master's agent list.
    EXPLAIN = "explain"
    #: Mesos is asked for the states of all tasks.
    RECONCILE = "reconcile"
    #: The master has had its time to answer about tasks on which it and the store disagree.
    MISMATCHES = "mismatches"
    #: The master has had its time to report its agents.
    AGENTS_REPORT = "agents report"
    #: A maintenance window begins or ends.
    MAINTENANCE = "maintenance"
    #: An executor that upgrades is asked again to leave, or its upgrade has taken too long.
    EXECUTOR_UPGRADE = "executor upgrade"

    #: Named by a task: its kill is sent again.
    KILL = "kill"
    #: Named by a task: its executor has had its time to start it.
    LAUNCH = "launch"
    #: Named by a task: its agent has been unreachable for so long that its slot goes to another task.
    UNREACHABLE = "unreachable"

    #: Named by a group: its rollout can go on.
    ROLLOUT_STEP = "rollout step"
    #: Named by a group: its rollout has had its time.
    ROLLOUT_DEADLINE = "rollout deadline"
    #: Named by a group: executors that have not confirmed in-place settings are sent them again.
    INPLACE_UPDATE = "inplace update"
    #: Named by a group: a slot has waited long enough for the agent of its last task.
    STICKY = "sticky"
    #: Named by a group: a slot has waited long enough for the agent that still runs its container.
    ADOPTION = "adoption"

    #: Named by a group and its version: the delay after a failure is over.
    RESTART_DELAY = "restart delay"


Key = tuple[Timer, str]


@dataclass(slots=True)
class Timers:
    """One deadline for each key (timer, name). Deadlines that were moved or dropped are skipped when they come up."""

    _heap: list[tuple[Instant, int, Key]] = field(default_factory=list)
    """(deadline, number, key), earliest first."""
    _due: dict[Key, tuple[Instant, int]] = field(default_factory=dict)
    """The deadlines that still hold, with the number of their entry in `_heap`."""
    _count: int = 0
    """The number of the last entry: no two are alike, so a later deadline of a key is told from an earlier one."""

    def set(self, timer: Timer, name: str, at: Instant) -> None:
        """Sets or moves a deadline."""
        self._count += 1
        self._due[timer, name] = (at, self._count)
        heapq.heappush(self._heap, (at, self._count, (timer, name)))

    def drop(self, timer: Timer, name: str) -> None:
        """Forgets a deadline, if there is one."""
        self._due.pop((timer, name), None)

    def has(self, timer: Timer, name: str) -> bool:
        return (timer, name) in self._due

    def due(self, timer: Timer, name: str) -> Instant | None:
        """When a deadline is, None if there is none."""
        known = self._due.get((timer, name))
        return known[0] if known else None

    def next(self) -> Instant | None:
        """When the next deadline is, None if there is none."""
        self._clean()
        return self._heap[0][0] if self._heap else None

    def pop(self, now: Instant) -> Key | None:
        """Takes the earliest deadline that has come, None if there is none."""
        self._clean()
        if not self._heap or self._heap[0][0] > now:
            return None
        key = heapq.heappop(self._heap)[2]
        del self._due[key]
        return key

    def _clean(self) -> None:
        while self._heap and self._due.get(self._heap[0][2], (0.0, 0))[1] != self._heap[0][1]:
            heapq.heappop(self._heap)
