"""The registry of endpoints: the port, and all back ends as one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from discovery.endpoints import Endpoint
from discovery.executor_addresses import Announcement
from specs.ids import TaskId

Done = Callable[[], None]


class Registry(Protocol):
    """A registry, on behalf of one executor. No call blocks or raises; each is carried out as soon as the back end can
    be reached, and the last one for a task counts. Endpoints end with their publisher."""

    def publish(self, endpoint: Endpoint, replaces: Sequence[TaskId] = ()) -> None:
        """Publishes the endpoint until it is withdrawn, whatever happens to sessions meanwhile.

        `replaces` are the earlier tasks in this task's slot: the endpoints that their publisher has left are removed
        once this one is published.
        """

    def withdraw(self, task_id: TaskId, done: Done) -> None:
        """Withdraws the task's endpoint; `done` is called, from any thread, once nobody can find it."""

    def announce(self, announcement: Announcement) -> None:
        """Publishes where the executor answers, for as long as it lives."""

    def close(self, seconds: float) -> None:
        """Withdraws everything, waiting at most so long. The endpoints of a publisher that cannot do that end with its
        session."""

    def hand_over(self, seconds: float) -> None:
        """Leaves all endpoints in place, as a process does that is killed: they lapse with its session, unless a
        publisher that `replaces` them comes before. Only the announcement is withdrawn, waiting at most so long, and
        not at all from a back end that is away. The last call before the process ends."""


class Several:
    """Several back ends as one: each at its own pace, so that one that is away holds up none of the others."""

    def __init__(self, registries: Sequence[Registry]) -> None:
        self._registries = tuple(registries)

    def publish(self, endpoint: Endpoint, replaces: Sequence[TaskId] = ()) -> None:
        for registry in self._registries:
            registry.publish(endpoint, replaces)

    def withdraw(self, task_id: TaskId, done: Done) -> None:
        """Calls `done` once, when the last back end has withdrawn it."""
        if not self._registries:
            done()
            return
        left = _Countdown(len(self._registries), done)
        for registry in self._registries:
            registry.withdraw(task_id, left.one)

    def announce(self, announcement: Announcement) -> None:
        for registry in self._registries:
            registry.announce(announcement)

    def close(self, seconds: float) -> None:
        self._end([each.close for each in self._registries], seconds)

    def hand_over(self, seconds: float) -> None:
        self._end([each.hand_over for each in self._registries], seconds)

    def _end(self, ends: Sequence[Callable[[float], None]], seconds: float) -> None:
        threads = [threading.Thread(target=end, args=(seconds,), daemon=True) for end in ends]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(seconds)


class _Countdown:
    """Calls `done` after `number` calls."""

    def __init__(self, number: int, done: Done) -> None:
        self._left = number
        self._done = done
        self._lock = threading.Lock()

    def one(self) -> None:
        with self._lock:
            self._left -= 1
            is_last = self._left == 0
        if is_last:
            self._done()
