"""The driver: our way to a Mesos master, over pymesos.

pymesos finds the master, builds the subscription and gives the driver its life cycle. Reading and sending are ours:
one thread reads the stream in large pieces and writes calls without waiting for their answers.
"""

from __future__ import annotations

import base64
import logging
import os
import random
import select
import time
from collections.abc import Callable, Iterable
from typing import Any

from framework.adapters import mesos_problems as problems
from framework.adapters.codec import TaskWriter, framework_info
from framework.adapters.mesos_agents import AgentsWatch
from framework.adapters.mesos_config import MesosConfig, addresses_of
from framework.adapters.mesos_detector import Detector
from framework.adapters.mesos_pymesos import MesosSchedulerDriver
from framework.adapters.mesos_queue import CallQueue
from framework.adapters.mesos_session import PIPE_BYTES, Context, Over, Session
from framework.core.commands import Accept, Call, Kill, Subscribe
from framework.core.events import CallFailed, Disconnected, Event, FrameworkRefused
from framework.ports import Post
from specs.ids import FrameworkId

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0
STEADY_SECONDS = 5.0
"""A subscription that held for so long was a good one: the next pause is the first again."""
CLOSE_SECONDS = 5.0
UNCONFIRMED = (
    "ZooKeeper does not say that this scheduler still leads, and two must not be subscribed; look whether it runs;"
    " trying on"
)


class MesosDriver:
    """framework.ports.Master on a real Mesos master.

    `perform(Subscribe(...))` starts it, `close()` ends it; both, like all calls, return at once but for `close`, which
    lets what waits leave first, for 2 s at most. An ERROR of the master is posted as FrameworkRefused and ends the
    driver until the next Subscribe. `may_subscribe` is asked before each subscription, in the driver's thread: one that
    was deposed while it was frozen would else throw its successor out.
    """

    def __init__(self, config: MesosConfig, post: Post, *, may_subscribe: Callable[[], bool] = lambda: True) -> None:
        self._config = config
        self._post = post
        self._may_subscribe = may_subscribe
        self._driver: Driver | None = None

    def perform(self, call: Call) -> None:
        """Takes a call; never blocks. What was not sent for certain, or refused, comes back as CallFailed where it
        is an Accept or a Kill; nothing is said of the others: a new subscription makes up for them."""
        if isinstance(call, Subscribe):
            self._subscribe(call.framework_id)
        elif self._driver is None or self._driver.aborted:
            _fail((call,), problems.unsent(""), self._post)
        elif not self._driver.calls.put(call):
            _fail((call,), f"not sent: {self._driver.calls.most} calls wait for the Mesos master", self._post)

    def close(self) -> None:
        """Disconnects without ending the framework: its tasks run on."""
        if self._driver is not None:
            self._driver.stop()
            self._driver.join_for(CLOSE_SECONDS)
            self._driver = None

    def _subscribe(self, framework_id: FrameworkId | None) -> None:
        if self._driver is not None:
            if not self._driver.aborted and self._driver.framework_id == framework_id:
                return
            self._driver.stop()
        self._driver = Driver(self._config, framework_id, self._post, self._may_subscribe)
        self._driver.start()


class Driver(MesosSchedulerDriver):  # type: ignore[misc]  # pymesos has no types
    """pymesos's driver with a thread of its own kind, which never tears the framework down; a second thread asks the
    master for its agents while it takes our calls."""

    def __init__(
        self, config: MesosConfig, framework_id: FrameworkId | None, post: Post, may_subscribe: Callable[[], bool]
    ) -> None:
        info = framework_info(config, framework_id).to_dict()
        super().__init__(None, info, config.master, implicit_acknowledgements=False, failover=True)
        if config.principal and config.secret:
            pair = f"{config.principal}:{config.secret}".encode()
            self._basic_credential = f"Basic {base64.b64encode(pair).decode('ascii')}"
        self._agents = AgentsWatch(config, self._basic_credential or "", post)
        self.calls = CallQueue(config.most_waiting_calls, self._notify)
        self._tasks = TaskWriter(config)
        self._post = post
        self._may_subscribe = may_subscribe
        self._is_in_zookeeper = config.is_in_zookeeper
        self._said: set[str] = set()
        self._problem = ""
        self._addresses = [] if config.is_in_zookeeper else addresses_of(config.master)
        self._turn = 0
        self._redirect = ""
        self._pause_seconds = FIRST_PAUSE_SECONDS
        self._random = random.Random()

    _wakeup_fds: tuple[int, int] | None  # pymesos's pipe, there while the thread is

    # ---- pymesos's life cycle ---------------------------------------------------

    @property
    def framework(self) -> dict[str, Any]:
        """The FrameworkInfo of our subscription: sent as it is, where pymesos would add GPU_RESOURCES and a short
        failover_timeout."""
        return dict(self._framework)

    @property
    def _wake_fd(self) -> int:
        assert self._wakeup_fds is not None
        return self._wakeup_fds[0]

    def start(self) -> None:
        """Starts the threads, and the detector where ZooKeeper knows the master."""
        super(MesosSchedulerDriver, self).start()
        self._agents.start()
        if self._is_in_zookeeper:
            self.detector = Detector(self.master_uri, self.change_master, self._say)
            self.detector.start()

    def change_master(self, new_master: str | None) -> None:
        """The detector found another leader. Asks it nothing first, unlike pymesos: this must not block."""
        super(MesosSchedulerDriver, self).change_master(new_master)

    def stop(self) -> None:
        """Ends threads and detector; the framework and its tasks go on."""
        self._agents.close()
        super().stop(failover=True)

    def join_for(self, seconds: float) -> None:
        """Waits for the thread's end, but not for ever."""
        if self._io_thread is not None:
            self._io_thread.join(seconds)

    def _shutdown(self) -> None:
        """pymesos would send TEARDOWN from here."""

    # ---- the thread -------------------------------------------------------------

    def _run(self) -> None:
        try:
            while self._started:
                try:
                    self._attempt()
                except Exception as bug:  # the thread's shield: a framework without a driver is no use
                    log.exception("the way to Mesos has a bug; trying on")
                    self._say(f"the way to Mesos has a bug: {bug!r}; it is in the log; trying on")
                    self._pause()
        finally:
            self._drop(self.calls.clear(), "the driver was closed")
            with self._lock:
                for fd in self._wakeup_fds or ():
                    os.close(fd)
                self._wakeup_fds = None

    def _attempt(self) -> None:
        """One session with the master that leads as far as we know."""
        address = self._target()
        if address is None:
            self._sleep(None)
            return
        if not self._may_subscribe():
            self._say(UNCONFIRMED)
            self._pause()
            return
        self._master = address
        known = self._new_master
        session = Session(address, self.gen_request(), self._head(address), self._context(address, known))
        over = session.run()
        self._agents.pause()
        if over.problem:
            self._say(over.problem)
        self._drop((*session.unsent(), *self.calls.clear()), over.problem)
        if over.refusal:
            self._refused(over.refusal)
        elif self._started:
            self._next(session, over, known)

    def _target(self) -> str | None:
        """Whom to ask next, None where nobody is known to lead."""
        if self._redirect:
            return self._redirect
        if self._is_in_zookeeper:
            return str(self._new_master) if self._new_master else None
        return self._addresses[self._turn % len(self._addresses)]

    def _next(self, session: Session, over: Over, known: str | None) -> None:
        """Decides whom to ask next, and pauses unless there is news."""
        is_first_redirect = over.redirect and not self._redirect
        self._redirect = over.redirect if is_first_redirect else ""
        if session.subscribed_at is not None and time.monotonic() - session.subscribed_at >= STEADY_SECONDS:
            self._pause_seconds = FIRST_PAUSE_SECONDS
        if is_first_redirect:
            return
        self._turn += 1
        if self._new_master != known:
            self._pause_seconds = FIRST_PAUSE_SECONDS
            return
        self._pause()

    def _refused(self, message: str) -> None:
        """ERROR is the end: whoever tries on throws another scheduler out, or asks thousands of times in vain."""
        self._started = False
        self._agents.close()
        if self.detector is not None:
            self.detector.stop()
        self._post(FrameworkRefused(message=message))

    def _context(self, address: str, known: str | None) -> Context:
        def interruption() -> str:
            leader = self._new_master
            is_news = self._is_in_zookeeper and leader and leader not in (known, address)
            return problems.changed(address, leader) if is_news else ""

        return Context(
            calls=self.calls,
            tasks=self._tasks,
            post=self._heard,
            wake_fd=self._wake_fd,
            interruption=interruption,
            is_stopping=lambda: not self._started,
            subscribed=self._subscribed,
        )

    def _heard(self, event: Event) -> None:
        self._post(event)
        self._agents.observe(event)

    def _subscribed(self, framework_id: FrameworkId) -> None:
        """Drops the calls that belong to an older subscription."""
        self.framework_id = framework_id
        self._drop(self.calls.clear(), "subscribed anew")
        self._said.clear()
        self._redirect = ""

    def _head(self, address: str) -> bytes:
        lines = f"Host: {address}\r\nContent-Type: application/json\r\nAccept: application/json\r\n"
        if self._basic_credential:
            lines += f"Authorization: {self._basic_credential}\r\n"
        return lines.encode("latin-1")

    # ---- pauses and problems ----------------------------------------------------

    def _pause(self) -> None:
        """Waits twice as long as the last time, up to 5 s, and a little more or less, so that not all come at once."""
        self._sleep(self._pause_seconds * self._random.uniform(0.75, 1.25))
        self._pause_seconds = min(2 * self._pause_seconds, LONGEST_PAUSE_SECONDS)

    def _sleep(self, seconds: float | None) -> None:
        """Waits, or until another master is known; calls that come meanwhile cannot be sent."""
        known, fd = self._new_master, self._wake_fd
        deadline = None if seconds is None else time.monotonic() + seconds
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        while self._started and self._new_master == known:
            rest = None if deadline is None else deadline - time.monotonic()
            if rest is not None and rest <= 0:
                return
            if poll.poll(None if rest is None else rest * 1000):
                os.read(fd, PIPE_BYTES)
                self.calls.was_woken()
                self._drop(self.calls.clear(), self._problem)

    def _say(self, problem: str) -> None:
        """Posts a problem, once until the next subscription."""
        self._problem = problem
        if problem not in self._said and self._started:
            self._said.add(problem)
            self._post(Disconnected(problem=problem))

    def _drop(self, calls: Iterable[Call], problem: str) -> None:
        _fail(calls, problems.unsent(problem), self._post)


def _fail(calls: Iterable[Call], problem: str, post: Post) -> None:
    """Tells of calls that were not sent, as far as something waits for them."""
    for call in calls:
        if isinstance(call, Accept | Kill):
            post(CallFailed(call=call, problem=problem))
