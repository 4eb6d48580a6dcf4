"""Containers that nobody claims: left behind by an executor that died, of our framework and on this agent. Pure."""

from __future__ import annotations

from collections.abc import Collection

from executor.commands import Reap
from executor.events import Found
from specs.ids import TaskId


class Strays:
    """What was found that nobody claims, and since when. Times on the core's clock."""

    def __init__(self, grace_seconds: float) -> None:
        self._grace_seconds = grace_seconds
        self._since: dict[str, float] = {}

    def found(self, containers: tuple[Found, ...], known: Collection[TaskId], now: float) -> tuple[Reap, ...]:
        """What to remove of the containers found: those that an executor that is no more left, once they have been
        found so for the grace, since a task that adopts them may be under way. `known` are the tasks that this executor
        still works on.

        A container of another living executor (a newer or older version of us beside us) is none of our business.
        """
        unclaimed = [each for each in containers if each.task_id not in known and (each.is_ours or each.is_abandoned)]
        since = {each.container_id: self._since.get(each.container_id, now) for each in unclaimed}
        due = [each for each in unclaimed if each.is_ours or now >= since[each.container_id] + self._grace_seconds]
        for each in due:
            del since[each.container_id]
        self._since = since
        return tuple(Reap(container_id=each.container_id, task_id=each.task_id) for each in due)

    @property
    def due_at(self) -> float | None:
        """When to look again, None where nothing is left that nobody claims."""
        return min(self._since.values()) + self._grace_seconds if self._since else None
