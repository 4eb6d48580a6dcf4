"""Removes endpoints that no task owns: left by a long lease, or by a session that nobody ended."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from discovery.backends.inventory import Inventory, inventory_at
from discovery.backends.publisher import Away, BackendRefused
from specs.ids import FrameworkId, TaskId
from specs.urls import Url

GRACE_SECONDS = 60.0
"""Grace before an endpoint without a task is removed, counted from when that was first seen."""
MOST_AT_A_TIME = 100
"""Limit on removals in one look; the others follow in the next."""

log = logging.getLogger("discovery.backends.janitor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Living:
    """The tasks of a framework that can have endpoints."""

    framework: FrameworkId
    tasks: frozenset[TaskId]


@dataclass(slots=True)
class _BackendState:
    """The state of one back end as it was last seen."""

    url: Url
    unowned: dict[TaskId, float] = field(default_factory=dict)  # since when
    foreign: dict[TaskId, None] = field(default_factory=dict)
    problem: str = ""


class Janitor:
    """Looks through back ends. Endpoints of other frameworks stay, and so do those without a framework: earlier
    executors or people have registered these."""

    def __init__(self, *urls: Url, opened: Callable[[Url], AbstractContextManager[Inventory]] = inventory_at) -> None:
        self._places = tuple(_BackendState(url) for url in urls)
        self._opened = opened

    def look(self, living: Callable[[], Living | None], now: float) -> int:
        """Looks through all back ends, and removes the endpoints that have had no task for the grace; returns how many.

        `living` is called after each listing, so that every endpoint in it had its task before. If it returns None
        nothing is known, and all counting begins again. `now` is in seconds on a clock that never goes back.
        """
        return sum(self._look(place, living, now) for place in self._places)

    def _look(self, place: _BackendState, living: Callable[[], Living | None], now: float) -> int:
        removed = 0
        try:
            with self._opened(place.url) as inventory:
                there = inventory.tasks()
                owners = living()
                if owners is None:
                    place.unowned.clear()
                    return 0
                unowned = [task for task in there if task not in owners.tasks]
                place.unowned = {task: place.unowned.get(task, now) for task in unowned}
                place.foreign = {task: None for task in place.foreign if task in place.unowned}
                due = [task for task, since in place.unowned.items() if now - since >= GRACE_SECONDS]
                for task in [task for task in due if task not in place.foreign][:MOST_AT_A_TIME]:
                    removed += self._remove(place, inventory, there[task], task, owners.framework)
            place.problem = ""
        except (Away, BackendRefused) as why:
            if str(why) != place.problem:
                place.problem = str(why)
                log.warning("endpoints at %s cannot be looked through: %s. Trying on", place.url, why)
        return removed

    def _remove(
        self, place: _BackendState, inventory: Inventory, where: str, task: TaskId, framework: FrameworkId
    ) -> bool:
        found = inventory.read(where)
        if found is None or found.endpoint.framework != framework:
            place.foreign[task] = None
            return False
        is_removed = inventory.remove(found)
        if is_removed:
            log.warning("endpoint %s at %s was removed: no task owns it", where, place.url)
        return is_removed
