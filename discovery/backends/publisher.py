"""What all back ends that can be away have in common: what is wanted of each task, and a thread that brings it about.

What is wanted of each task is kept, not what was asked: so there is never more waiting than there are tasks, and after
the loss of a session all that is wanted is published anew.
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
"""So long is found what a publisher that died or was cut off had published, where the back end knows sessions."""
AWAY_SECONDS = 5.0
"""A back end that is back sooner is not spoken of."""
TRY_SECONDS = 1.0
"""One that is away is asked again after so long, if nobody says before that it is back."""
AGAIN_SECONDS = 5.0
"""What a back end refuses is asked again after so long."""

OWN = TaskId("@")
"""Stands among the tasks for the executor itself; no task has that id."""

log = logging.getLogger("discovery")


class Away(Exception):
    """The back end cannot be reached, or cannot answer now."""


class BackendRefused(Exception):
    """The back end does not do what it was asked, and says why."""


class RegistryBackend(Protocol):
    """A back end as the publisher's thread sees it. Calls take a few seconds at most and can raise Away or
    BackendRefused."""

    name: str
    """Such as `etcd at 10.0.0.7:2379`."""
    renew_seconds: float
    """What is published lapses where `renew` is not called about so often."""

    def renew(self) -> bool:
        """Keeps what is published from lapsing. Whether it has to be published anew, all of it."""

    def put(self, endpoint: Endpoint, replaces: Sequence[TaskId]) -> None:
        """Has the endpoint be there, unless a newer one has its name; what `replaces` names goes, and not before it is
        there."""

    def announce(self, announcement: Announcement) -> None:
        """Has it be found where the executor answers."""

    def remove(self, endpoint: Endpoint) -> None:
        """Has it not be there, if it is this publisher's."""

    def stop(self, takes_back: bool) -> None:
        """Ends the session, with all that is published if it `takes_back`; else it takes back the announcement alone,
        and the endpoints are left to lapse. Called from another thread, in the middle of anything; raises nothing."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    endpoint: Endpoint
    replaces: tuple[TaskId, ...]


class Publisher:
    """A discovery.backends.registry.Registry over a RegistryBackend, by a thread of its own."""

    def __init__(self, backend: RegistryBackend) -> None:
        self._backend = backend
        self._changed = threading.Condition()
        self._wanted: dict[TaskId, _Wanted | Announcement] = {}
        self._known: dict[TaskId, Endpoint] = {}  # what may be there
        self._dirty: dict[TaskId, None] = {}
        self._refused: dict[TaskId, float] = {}  # until when each is let be
        self._said: dict[TaskId, str] = {}  # why each was refused
        self._answers: dict[TaskId, list[Done]] = {}
        self._is_closing = False
        self._is_woken = True
        self._away_since: float | None = None
        self._has_told = False
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
        """The back end is there again, or may have lost the session: it is looked at now. From any thread."""
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
            return  # nobody is there to be told, and what is left there lapses
        # By another thread, as it may take long where nobody answers.
        end = threading.Thread(target=self._backend.stop, args=(takes_back,), name="endpoints-end", daemon=True)
        end.start()
        end.join(max(deadline - time.monotonic(), 0.0))

    def _touch(self, task_id: TaskId) -> None:
        """Something else is wanted of this task; what was wanted last is done last."""
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
                    is_anew = self._backend.renew()
                    renew_at = time.monotonic() + self._backend.renew_seconds
                    self._is_there(is_anew)
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
        """The next task of which something else is wanted than there is; None where there is none, and at the end."""
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
            if self._said.get(task_id) != str(why):
                self._said[task_id] = str(why)
                log.warning("%s: %s refuses it (%s); trying again every %g s", what, name, why, AGAIN_SECONDS)
            return
        self._said.pop(task_id, None)
        with self._changed:
            if task_id not in self._wanted and task_id not in self._dirty:
                self._known.pop(task_id, None)
        for done in answers:
            done()

    def _is_there(self, is_anew: bool) -> None:
        if self._has_told:
            log.info("endpoints: %s is back", self._backend.name)
        self._away_since, self._has_told = None, False
        if is_anew:
            with self._changed:
                self._dirty |= dict.fromkeys(self._wanted)

    def _is_away(self, why: Away | BackendRefused) -> None:
        """Says so once, if it takes long; waits until it is to be asked again."""
        now = time.monotonic()
        self._away_since = now if self._away_since is None else self._away_since
        if now - self._away_since >= AWAY_SECONDS and not self._has_told:
            self._has_told = True
            log.warning(
                "endpoints: %s cannot be reached (%s); what changes is published when it is back, what was published"
                " stays until it lapses. Check that it runs. Trying on",
                self._backend.name,
                why,
            )
        with self._changed:
            self._changed.wait_for(lambda: self._is_closing or self._is_woken, TRY_SECONDS)
