"""Containers that nobody claims: left behind by an executor that died, of our framework and on this machine. Pure.

Those of this agent, under whatever id it had, are removed after a grace. Those of another agent id may be of an agent
beside this one, on the same engine, that is away for a while: the scheduler is asked about them.
"""

from __future__ import annotations

from collections.abc import Collection

from executor.core.commands import Reap, ReportOrphanContainers
from executor.core.events import FoundContainer
from specs.ids import TaskId

MOST_ASKED = 100
"""Limit on the containers about which one message asks: the rest come with later listings."""


class OrphanContainers:
    """The containers that nobody claims, and since when each was found so. Times on the core's clock."""

    def __init__(self, grace_seconds: float) -> None:
        self._grace_seconds = grace_seconds
        self._since: dict[str, float] = {}
        self._asked: dict[str, None] = {}
        """Those of other agent ids whose grace is over: nothing follows until the scheduler has answered."""
        self._unwanted: dict[TaskId, None] = {}

    def found(
        self, containers: tuple[FoundContainer, ...], known: Collection[TaskId], now: float
    ) -> tuple[Reap | ReportOrphanContainers, ...]:
        """Decides what to remove of the containers found: those that an executor that is no more left, once they have
        been found so for the grace, since a task that adopts them may be under way. `known` are the tasks that this
        executor still works on.

        A container of another living executor (a newer or older version of us beside us) is none of our business.
        """
        unclaimed = [each for each in containers if each.task_id not in known and (each.is_ours or each.is_abandoned)]
        since = {each.container_id: self._since.get(each.container_id, now) for each in unclaimed}
        due = [each for each in unclaimed if each.is_ours or now >= since[each.container_id] + self._grace_seconds]
        gone = [each for each in due if not each.is_foreign or each.task_id in self._unwanted]
        asked = [each for each in due if each.is_foreign and each.task_id not in self._unwanted][:MOST_ASKED]
        for each in gone:
            del since[each.container_id]
            self._unwanted.pop(each.task_id, None)
        self._since = since
        self._asked = dict.fromkeys(each.container_id for each in asked)
        questions = (
            (ReportOrphanContainers(task_ids=tuple(dict.fromkeys(each.task_id for each in asked))),) if asked else ()
        )
        return (*(Reap(container_id=each.container_id, task_id=each.task_id) for each in gone), *questions)

    def condemn(self, task_ids: tuple[TaskId, ...]) -> None:
        """The scheduler says that nobody wants these; they are removed if they are found so once more."""
        self._unwanted = dict.fromkeys(task_ids)

    @property
    def due_at(self) -> float | None:
        """When to look again, None where nothing is left that nobody claims, or only what was asked about."""
        waiting = [since for id, since in self._since.items() if id not in self._asked]
        return min(waiting) + self._grace_seconds if waiting else None
