"""Where endpoints are published: the port, all back ends as one, and one in memory that sits the same exam."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from discovery.endpoints import Endpoint
from discovery.executor_addresses import Announcement
from specs.ids import TaskId

Done = Callable[[], None]


class Registry(Protocol):
    """A back end, on behalf of one executor. No call blocks or raises; each is carried out as soon as the back end can
    be reached, and of several for one task the last counts. What is published goes with its publisher."""

    def publish(self, endpoint: Endpoint, replaces: Sequence[TaskId] = ()) -> None:
        """Has the endpoint be there until it is withdrawn, whatever becomes of sessions meanwhile.

        `replaces` are tasks that were in this task's place: what an earlier publisher left of them goes, and not before
        this one is there.
        """

    def withdraw(self, task_id: TaskId, done: Done) -> None:
        """Takes the task's endpoint back; `done` is called, from any thread, once nobody can find it any more."""

    def announce(self, announcement: Announcement) -> None:
        """Has it be found where the executor answers, for as long as it lives."""

    def close(self, seconds: float) -> None:
        """Takes all back that it published, for which it waits so long at most; what a publisher leaves that cannot say
        so goes with its session."""

    def hand_over(self, seconds: float) -> None:
        """Leaves all endpoints where they are, as the end of a process that can say nothing does: they lapse with its
        session, and until then who `replaces` them takes their places. That it answers nowhere any more is said, for
        which it waits so long at most; where a back end is away not at all. Nothing else is to follow but the process's
        end."""


class Several:
    """Several back ends as one: each at its own pace, so that one that is away holds up none of the others."""

    def __init__(self, registries: Sequence[Registry]) -> None:
        self._registries = tuple(registries)

    def publish(self, endpoint: Endpoint, replaces: Sequence[TaskId] = ()) -> None:
        for registry in self._registries:
            registry.publish(endpoint, replaces)

    def withdraw(self, task_id: TaskId, done: Done) -> None:
        """`done` is called once, when the last of them is done."""
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
    """Calls `done` when it was told `number` times."""

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
