"""The loop: the one thread on which the scheduler works. Events in from adapters, commands out to them."""

from __future__ import annotations

import logging
import queue
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Protocol

from framework.core.commands import Command, Halt, HaltCause, Outcome, PublishEvent, Refused, Reply, Save
from framework.core.events import Event, Saved, SaveFailed, UserRequest, Woke
from framework.core.model import Instant
from framework.core.scheduler import Scheduler
from framework.core.views import EMPTY, View
from framework.exits import ServerExit
from framework.ports import Clock, Happening, Master, Store

log = logging.getLogger(__name__)

MOST_HAPPENINGS = 10_000
VIEW_EVERY_SECONDS = 0.1
VIEW_SHARE = 0.1
"""Limit on the share of the loop's time that goes into views, unless a request waits for its answer."""
BATCH = 200
"""Events handled before readers get a new view."""


EXITS = {
    HaltCause.STORE_REFUSED: ServerExit.STORE_UNREACHABLE,
    HaltCause.MESOS_REFUSED: ServerExit.MESOS_REFUSED,
    HaltCause.TASKS_WITHOUT_FRAMEWORK_ID: ServerExit.TASKS_WITHOUT_FRAMEWORK_ID,
    HaltCause.FRAMEWORK_REMOVED: ServerExit.FRAMEWORK_REMOVED,
}
HAND_OVER_SECONDS = 2.0

_STOPPING = Refused(kind="unavailable", message="the scheduler is stopping; ask again in a moment")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Ends the loop: the exit code of the process, 0 at an operator's request, and the message for the operator."""

    exit_code: int = 0
    message: str = ""
    starts_again: bool = False
    """Whether the process must start again as a standby."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _HandOver:
    """Ends the loop as soon as no save is under way."""

    stop: Stop


class Recorder(Protocol):
    """Records events and commands; never blocks for long, never raises."""

    def begin(self, event: Event, now: Instant) -> None:
        """An event is about to be handled."""

    def end(self, commands: tuple[Command, ...]) -> None:
        """The commands that follow from the event that has begun."""

    def flush(self) -> None:
        """No further event is waiting: the recorder can write now."""


class Recorders:
    """Several recorders as one, called one after the other."""

    def __init__(self, *recorders: Recorder) -> None:
        self._recorders = recorders

    def begin(self, event: Event, now: Instant) -> None:
        for each in self._recorders:
            each.begin(event, now)

    def end(self, commands: tuple[Command, ...]) -> None:
        for each in self._recorders:
            each.end(commands)

    def flush(self) -> None:
        for each in self._recorders:
            each.flush()


class Loop:
    """Runs a Scheduler, and is the Front of the API."""

    def __init__(self, scheduler: Scheduler, clock: Clock, recorder: Recorder | None = None) -> None:
        self._scheduler = scheduler
        self._clock = clock
        self._recorder = recorder
        self._store: Store | None = None
        self._master: Master | None = None
        self._events: queue.SimpleQueue[Event | Stop | _HandOver] = queue.SimpleQueue()
        self._view = EMPTY
        self._viewed_at: Instant = 0.0
        self._view_interval = VIEW_EVERY_SECONDS
        self._is_stale = True
        self._replies: list[Reply] = []
        self._asked: dict[int, Future[Outcome]] = {}
        self._requests = 0
        self._happenings: deque[Happening] = deque(maxlen=MOST_HAPPENINGS)
        self._sequence = 0
        self._news = False
        self._readers: dict[int, Callable[[], None]] = {}
        self._reader_count = 0
        self._is_over = False
        self._unsaved = 0
        self._handing_over: Stop | None = None
        self._hands_over_by: Instant = 0.0

    def connect(self, store: Store, master: Master) -> None:
        """Gives the loop its adapters; before `run`."""
        self._store, self._master = store, master

    # ---- for other threads ------------------------------------------------------

    def post(self, event: Event) -> None:
        """Hands an event to the loop; safe from any thread, never blocks."""
        self._events.put(event)

    def stop(self, stop: Stop | None = None) -> None:
        """Ends `run` after the events that came before; safe from any thread and from signal handlers."""
        self._events.put(stop or Stop())

    def hand_over(self, stop: Stop) -> None:
        """Ends `run` once saves under way are answered and their dependants sent, or 2 s later; safe from any thread.

        Meanwhile no event is handled: Mesos sends its events to the next leader too, and requests are refused.
        """
        self._events.put(_HandOver(stop=stop))

    @property
    def view(self) -> View:
        # Nothing has changed since it was built: it is valid now, and ages count until now.
        view = self._view
        return view if view is EMPTY else replace(view, at=max(view.at, self._clock.now()))

    @property
    def backlog(self) -> int:
        """How many events wait to be handled."""
        return self._events.qsize()

    def request(self, make: Callable[[int], UserRequest]) -> Future[Outcome]:
        """Posts the request that `make` builds from a request id. The Future resolves once it is decided and stored."""
        future: Future[Outcome] = Future()
        self._requests += 1  # the API sends requests from one thread only
        request_id = self._requests
        self._asked[request_id] = future
        self.post(make(request_id))
        if self._is_over:
            self._answer_all(_STOPPING)
        return future

    def happenings(self, after: int) -> tuple[Happening, ...]:
        """The events after the given sequence number, as far as they are still kept; oldest first."""
        while True:
            try:
                return tuple(happening for happening in self._happenings if happening.sequence > after)
            except RuntimeError:  # the deque grew meanwhile
                continue

    def subscribe(self, notify: Callable[[], None]) -> Callable[[], None]:
        """Calls `notify` from the loop's thread after each change; returns the function that ends it."""
        self._reader_count += 1
        key = self._reader_count
        self._readers[key] = notify

        def end() -> None:
            self._readers.pop(key, None)

        return end

    # ---- the thread -------------------------------------------------------------

    def run(self) -> Stop:
        """Works until `stop`, a Halt, or a bug; returns the reason."""
        try:
            while True:
                stop = self._work()
                if stop is not None:
                    return stop
        except Exception as bug:
            log.exception("a bug ended the scheduler; what is stored is in order, the next leader goes on from it")
            return Stop(exit_code=ServerExit.BUG, message=f"a bug: {bug!r}; the log has where it is")
        finally:
            self._is_over = True
            self._answer_all(_STOPPING)
            if self._recorder is not None:
                self._recorder.flush()

    def _work(self) -> Stop | None:
        """Waits for something to do and does a batch of it."""
        try:
            item = self._events.get(timeout=self._patience())
        except queue.Empty:
            item = None
        for _ in range(BATCH):
            if item is not None:
                stop = self._take(item)
                if stop is not None:
                    return stop
            try:
                item = self._events.get_nowait()
            except queue.Empty:
                break
        else:
            if item is not None:
                stop = self._take(item)
                if stop is not None:
                    return stop
        wakes_at = self._wakes_at()
        if wakes_at is not None and wakes_at <= self._clock.now():
            stop = self._handle(Woke()) if self._handing_over is None else None
            if stop is not None:
                return stop
        self._publish()
        if self._recorder is not None:
            self._recorder.flush()
        return self._handed_over()

    def _take(self, item: Event | Stop | _HandOver) -> Stop | None:
        if isinstance(item, Stop):
            return item
        if isinstance(item, _HandOver):
            self._handing_over, self._hands_over_by = item.stop, self._clock.now() + HAND_OVER_SECONDS
            return None
        if isinstance(item, Saved | SaveFailed):
            self._unsaved -= 1
        elif self._handing_over is not None:
            return None  # requests are refused at the end
        return self._handle(item)

    def _handed_over(self) -> Stop | None:
        """The reason to end now, if another scheduler must lead."""
        is_done = self._unsaved == 0 or self._clock.now() >= self._hands_over_by
        return self._handing_over if is_done else None

    def _wakes_at(self) -> Instant | None:
        return self._scheduler.wakes_at() if self._handing_over is None else self._hands_over_by

    def _patience(self) -> float | None:
        """The time until the next work, in seconds; None: until an event comes."""
        now = self._clock.now()
        times = []
        wakes_at = self._wakes_at()
        if wakes_at is not None:
            times.append(wakes_at - now)
        if self._is_stale:
            times.append(self._viewed_at + self._view_interval - now)
        # A clock that was set back must not make us sleep for as long.
        return min(max(min(times), 0.0), 60.0) if times else None

    def _handle(self, event: Event) -> Stop | None:
        self._is_stale = True
        now = self._clock.now()
        if self._recorder is not None:
            self._recorder.begin(event, now)
        commands = self._scheduler.handle(event, now)
        if self._recorder is not None:
            self._recorder.end(commands)
        for command in commands:
            stop = self._perform(command)
            if stop is not None:
                return stop
        return None

    def _perform(self, command: Command) -> Stop | None:
        if self._store is None or self._master is None:
            raise RuntimeError("the loop was run before it was connected to a store and a master")
        if isinstance(command, Save):
            self._unsaved += 1
            self._store.save(command)
        elif isinstance(command, Reply):
            self._replies.append(command)
        elif isinstance(command, PublishEvent):
            self._publish_event(command)
        elif isinstance(command, Halt):
            return Stop(exit_code=EXITS[command.cause], message=command.message)
        else:
            self._master.perform(command)
        return None

    def _publish_event(self, command: PublishEvent) -> None:
        self._sequence += 1
        self._news = True
        self._happenings.append(
            Happening(
                sequence=self._sequence,
                at=self._clock.now(),
                kind=command.kind,
                text=command.text,
                stack=command.stack,
                group=command.group,
                task=command.task,
            )
        )
        log.info("%s", command.text)

    def _publish(self) -> None:
        """Swaps in a new view, then answers: a client that reads "done" then sees it done."""
        now = self._clock.now()
        is_due = self._is_stale and not 0.0 <= now - self._viewed_at < self._view_interval
        if is_due or self._replies:
            self._view = self._scheduler.view(now)
            self._viewed_at, self._is_stale = now, False
            cost = self._clock.now() - now
            self._view_interval = max(VIEW_EVERY_SECONDS, cost / VIEW_SHARE)
        elif not self._news:
            return
        self._news = False
        replies, self._replies = self._replies, []
        for reply in replies:
            future = self._asked.pop(reply.request_id, None)
            if future is not None and future.set_running_or_notify_cancel():
                future.set_result(reply.outcome)
        for notify in list(self._readers.values()):
            notify()

    def _answer_all(self, outcome: Outcome) -> None:
        while self._asked:
            try:
                _, future = self._asked.popitem()
            except KeyError:
                return  # another thread was quicker
            if future.set_running_or_notify_cancel():
                future.set_result(outcome)
