"""The publisher: the part that all back ends share which can be away. It keeps the desired endpoint of each task, and a
thread brings the back end in line with it.

It keeps the desired state and not the requests. So no more work waits than there are tasks, and after a lost session
everything desired is published again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from discovery.backends.registry import Done
from discovery.endpoints import Endpoint
from discovery.executor_addresses import Announcement
from specs.ids import TaskId

LAPSE_SECONDS = 10.0
"""Session time-out: how long endpoints of a dead or partitioned publisher stay visible, in back ends with sessions."""
AWAY_SECONDS = 5.0
"""Delay before a back end that is away is logged."""
TRY_SECONDS = 1.0
"""Pause before a back end that is away is tried again, unless it reports earlier."""
AGAIN_SECONDS = 5.0
"""Pause before a refused request is sent again."""

OWN = TaskId("@")
"""The key of the executor itself among the tasks; no task has this id."""

log = logging.getLogger("discovery")


class Away(Exception):
    """The back end cannot be reached, or cannot answer now."""


class BackendRefused(Exception):
    """The back end has refused a request; the text is the reason."""


class RegistryBackend(Protocol):
    """A back end as the publisher's thread sees it. Calls take a few seconds at most and can raise Away or
    BackendRefused."""

    #: Such as `etcd at 10.0.0.7:2379`.
    name: str
    #: Endpoints lapse unless `renew` is called about this often.
    renew_seconds: float

    def renew(self) -> bool:
        """Keeps the endpoints from lapsing. Whether all of them must be published again."""

    def put(self, endpoint: Endpoint, replaces: Sequence[TaskId]) -> None:
        """Publishes the endpoint, unless a newer one has its name. The endpoints of the tasks in `replaces` are removed
        after that."""

    def announce(self, announcement: Announcement) -> None:
        """Publishes where the executor answers."""

    def remove(self, endpoint: Endpoint) -> None:
        """Removes the endpoint, if it is this publisher's."""

    def stop(self, takes_back: bool) -> None:
        """Ends the session. If it `takes_back`, everything published is removed; else only the announcement is, and the
        endpoints lapse. Called from another thread at any moment; raises nothing."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    endpoint: Endpoint
    replaces: tuple[TaskId, ...]


class Publisher:
    """A discovery.backends.registry.Registry over a RegistryBackend, with a thread of its own."""

    def __init__(self, backend: RegistryBackend) -> None:
        self._backend = backend
        self._changed = threading.Condition()
        self._wanted: dict[TaskId, _Wanted | Announcement] = {}
        self._known: dict[TaskId, Endpoint] = {}  # what can be published
        self._dirty: dict[TaskId, None] = {}
        self._refused: dict[TaskId, float] = {}  # when each is tried again
        self._logged: dict[TaskId, str] = {}  # the reason that was logged
        self._answers: dict[TaskId, list[Done]] = {}
        self._is_closing = False
        self._is_woken = True
        self._away_since: float | None = None
        self._has_logged = False
        self._thread = threading.Thread(target=self._run, name="endpoints", daemon=True)
        self._thread.start()

    def publish(self, endpoint: Endpoint, replaces: Sequence[TaskId] = ()) -> None:
        with self._changed:
            self._wanted[endpoint.task_id] = _Wanted(endpoint, tuple(replaces))
            self._known[endpoint.task_id] = endpoint
            self._touch(endpoint.task_id)

    def withdraw(self, task_id: TaskId, done: Done) -> None:
        with self._changed:
            self._wanted.pop(task_id, None)
            if task_id in self._known:
                self._answers.setdefault(task_id, []).append(done)
                self._touch(task_id)
                return
        done()

    def announce(self, announcement: Announcement) -> None:
        with self._changed:
            self._wanted[OWN] = announcement
            self._touch(OWN)

    def close(self, seconds: float) -> None:
        self._end(seconds, takes_back=True)

    def hand_over(self, seconds: float) -> None:
        self._end(seconds, takes_back=False)

    def wake(self) -> None:
        """The back end is back, or the session can be lost: looks now. Called from any thread."""
        with self._changed:
            self._is_woken = True
            self._changed.notify_all()

    def _end(self, seconds: float, takes_back: bool) -> None:
        deadline = time.monotonic() + seconds
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        self._thread.join(seconds / 2)
        if not takes_back and self._away_since is not None:
            return  # nobody can receive it, and the endpoints lapse
        # In another thread, because it can take long if nobody answers.
        end = threading.Thread(target=self._backend.stop, args=(takes_back,), name="endpoints-end", daemon=True)
        end.start()
        end.join(max(deadline - time.monotonic(), 0.0))

    def _touch(self, task_id: TaskId) -> None:
        """The desired state of this task has changed; the latest change is done last."""
        self._refused.pop(task_id, None)
        self._dirty.pop(task_id, None)
        self._dirty[task_id] = None
        self._changed.notify_all()

    # ---- in our own thread ----------------------------------------------------------

    def _run(self) -> None:
        renew_at = 0.0
        while self._wait(renew_at):
            try:
                if self._is_due(renew_at):
                    must_republish = self._backend.renew()
                    renew_at = time.monotonic() + self._backend.renew_seconds
                    self._is_there(must_republish)
                while time.monotonic() < renew_at and (task_id := self._next()) is not None:
                    self._bring_about(task_id)
            except (Away, BackendRefused) as why:
                renew_at = 0.0
                self._is_away(why)

    def _wait(self, renew_at: float) -> bool:
        """Waits until there is something to do; False at the end."""
        with self._changed:
            while not self._is_closing and not self._is_woken and not self._dirty:
                now = time.monotonic()
                due_at = min([renew_at, *self._refused.values()])
                if due_at <= now:
                    break
                self._changed.wait(due_at - now)
            for task_id in [each for each, until in self._refused.items() if until <= time.monotonic()]:
                self._touch(task_id)
            return not self._is_closing

    def _is_due(self, renew_at: float) -> bool:
        with self._changed:
            is_due = self._is_woken or renew_at <= time.monotonic()
            self._is_woken = False
            return is_due

    def _next(self) -> TaskId | None:
        """The next task whose desired state differs; None if there is none, and at the end."""
        with self._changed:
            if self._is_closing or self._is_woken or not self._dirty:
                return None
            task_id = next(iter(self._dirty))
            del self._dirty[task_id]
            return task_id

    def _bring_about(self, task_id: TaskId) -> None:
        with self._changed:
            wanted, answers = self._wanted.get(task_id), self._answers.pop(task_id, [])
            known = self._known.get(task_id)
        try:
            if isinstance(wanted, Announcement):
                self._backend.announce(wanted)
            elif wanted is not None:
                self._backend.put(wanted.endpoint, wanted.replaces)
            elif known is not None:
                self._backend.remove(known)
        except (Away, BackendRefused) as why:
            with self._changed:
                self._answers[task_id] = answers + self._answers.get(task_id, [])
                if isinstance(why, BackendRefused) and task_id not in self._dirty:
                    self._refused[task_id] = time.monotonic() + AGAIN_SECONDS
                else:
                    self._dirty.setdefault(task_id)
            if isinstance(why, Away):
                raise
            name = self._backend.name
            what = "the executor" if task_id == OWN else f"endpoint {task_id}"
            if self._logged.get(task_id) != str(why):
                self._logged[task_id] = str(why)
                log.warning("%s: %s refuses it (%s); trying again every %g s", what, name, why, AGAIN_SECONDS)
            return
        self._logged.pop(task_id, None)
        with self._changed:
            if task_id not in self._wanted and task_id not in self._dirty:
                self._known.pop(task_id, None)
        for done in answers:
            done()

    def _is_there(self, must_republish: bool) -> None:
        if self._has_logged:
            log.info("endpoints: %s is back", self._backend.name)
        self._away_since, self._has_logged = None, False
        if must_republish:
            with self._changed:
                self._dirty |= dict.fromkeys(self._wanted)

    def _is_away(self, why: Away | BackendRefused) -> None:
        """Logs once that the back end is away, if that takes long; waits until it is tried again."""
        now = time.monotonic()
        self._away_since = now if self._away_since is None else self._away_since
        if now - self._away_since >= AWAY_SECONDS and not self._has_logged:
            self._has_logged = True
            log.warning(
                "endpoints: %s cannot be reached (%s); what changes is published when it is back, what was published"
                " stays until it lapses. Check that it runs. Trying on",
                self._backend.name,
                why,
            )
        with self._changed:
            self._changed.wait_for(lambda: self._is_closing or self._is_woken, TRY_SECONDS)
