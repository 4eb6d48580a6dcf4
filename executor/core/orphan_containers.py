"""Orphan containers: those of our framework on this machine that an executor which died has left. Pure.

Orphans of this agent, under whatever id it had, are removed after a grace. Orphans of another agent id can belong to an
agent on the same engine that is only away for a while: the scheduler decides about them.
"""

from __future__ import annotations

from collections.abc import Collection

from executor.core.commands import Reap, ReportOrphanContainers
from executor.core.events import FoundContainer
from specs.ids import TaskId

MOST_REPORTED = 100
"""Limit on containers in one report; the others follow with later listings."""


class OrphanContainers:
    """The orphan containers, and since when each is one. Times on the core's clock."""

    def __init__(self, grace_seconds: float) -> None:
        self._grace_seconds = grace_seconds
        self._since: dict[str, float] = {}
        #: Orphans of other agent ids whose grace is over: they wait for the scheduler's answer.
        self._reported: dict[str, None] = {}
        self._unwanted: dict[TaskId, None] = {}

    def found(
        self, containers: tuple[FoundContainer, ...], known: Collection[TaskId], now: float
    ) -> tuple[Reap | ReportOrphanContainers, ...]:
        """Takes in a listing; returns the removals and the report that follow. An orphan is removed after the grace,
        because a task that adopts it can be under way. `known` are the tasks on which this executor still works.

        A container of another living executor, older or newer than this one, is left alone.
        """
        unclaimed = [each for each in containers if each.task_id not in known and (each.is_ours or each.is_abandoned)]
        since = {each.container_id: self._since.get(each.container_id, now) for each in unclaimed}
        due = [each for each in unclaimed if each.is_ours or now >= since[each.container_id] + self._grace_seconds]
        gone = [each for each in due if not each.is_foreign or each.task_id in self._unwanted]
        asked = [each for each in due if each.is_foreign and each.task_id not in self._unwanted][:MOST_REPORTED]
        for each in gone:
            del since[each.container_id]
            self._unwanted.pop(each.task_id, None)
        self._since = since
        self._reported = dict.fromkeys(each.container_id for each in asked)
        questions = (
            (ReportOrphanContainers(task_ids=tuple(dict.fromkeys(each.task_id for each in asked))),) if asked else ()
        )
        return (*(Reap(container_id=each.container_id, task_id=each.task_id) for each in gone), *questions)

    def condemn(self, task_ids: tuple[TaskId, ...]) -> None:
        """Marks orphans that nobody wants: they are removed if the next listing still has them."""
        self._unwanted = dict.fromkeys(task_ids)

    @property
    def due_at(self) -> float | None:
        """When to list again; None if no orphan is left but those that were reported."""
        waiting = [since for id, since in self._since.items() if id not in self._reported]
        return min(waiting) + self._grace_seconds if waiting else None
