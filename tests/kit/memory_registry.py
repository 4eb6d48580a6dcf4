"""A registry in memory for tests. It passes the contract suite that the real back ends pass."""

from __future__ import annotations

from collections.abc import Sequence

from discovery.backends.registry import Done
from discovery.endpoints import Endpoint
from discovery.executor_addresses import Announcement
from specs.ids import TaskId


class MemoryRegistry:
    """Endpoints, by task, and announcements, in collections that several publishers of one process share."""

    def __init__(self, shared: dict[TaskId, Endpoint], announced: list[Announcement] | None = None) -> None:
        self._shared = shared
        self._announced = [] if announced is None else announced
        self._own: dict[TaskId, Endpoint] = {}
        self._announcement: Announcement | None = None

    def publish(self, endpoint: Endpoint, replaces: Sequence[TaskId] = ()) -> None:
        there = self._shared.get(endpoint.task_id)
        self._own[endpoint.task_id] = endpoint
        if there is None or there.since <= endpoint.since:
            self._shared[endpoint.task_id] = endpoint
        for id in replaces:
            self._shared.pop(id, None)

    def withdraw(self, task_id: TaskId, done: Done) -> None:
        own = self._own.pop(task_id, None)
        if own is not None and self._shared.get(task_id) == own:
            del self._shared[task_id]
        done()

    def announce(self, announcement: Announcement) -> None:
        if self._announcement in self._announced:
            self._announced.remove(self._announcement)
        self._announced.append(announcement)
        self._announcement = announcement

    def close(self, seconds: float) -> None:
        for id in tuple(self._own):
            self.withdraw(id, lambda: None)
        self.hand_over(seconds)

    def hand_over(self, seconds: float) -> None:
        self._own.clear()
        if self._announcement in self._announced:
            self._announced.remove(self._announcement)
