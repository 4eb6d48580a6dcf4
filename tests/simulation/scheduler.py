"""A scheduler's process: the real core between the real store and the real codec, with the loop's manners."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from framework.adapters.codec import executor_id
from framework.adapters.mesos_config import ExecutorConfig, MesosConfig
from framework.core.commands import Command, Halt, PublishEvent, Reply, Save
from framework.core.events import BecameLeader, Event, Saved, SaveFailed, StatusReceived, Woke
from framework.core.model import Settings
from framework.core.scheduler import Scheduler
from tests.kit.invariants import check
from tests.simulation.changes import REVISIONS_KEPT, ROLLOUTS_KEPT
from tests.simulation.connection import Driver
from tests.simulation.kernel import Kernel
from tests.simulation.zookeeper import Session, SimulatedStore

if TYPE_CHECKING:
    from tests.simulation.world import World

EXECUTOR = ExecutorConfig(uri="http://10.0.0.1:8080/v1/executor/0/framework-executor.pyz")
MESOS = MesosConfig(master="10.0.0.1:5050", executor=EXECUTOR)
SETTINGS = Settings(executor_id=executor_id(EXECUTOR, MESOS.role), executor_resources=EXECUTOR.resources)
LONGEST_SLEEP_SECONDS = 60.0
CHECK_EVERY = 5
VIEW_EVERY = 20


class SchedulerProcess:
    """One process from its start to its end. It may freeze and be killed between any two commands."""

    def __init__(self, world: World, number: int) -> None:
        self._world = world
        self._kernel: Kernel = world.kernel
        self.name = f"scheduler{number}"
        self.is_dead = False
        self.is_frozen = False
        self.is_deposed = False
        self.clock_offset = 0.0
        settings = replace(SETTINGS, most_unapproved_kills=world.kill_guard)
        if world.has_rollouts:
            settings = replace(settings, rollouts_kept=ROLLOUTS_KEPT, revisions_kept=REVISIONS_KEPT)
        self.scheduler = Scheduler(settings)
        self.session = Session(world.tree, world.fate)
        self.store = SimulatedStore.of(self.session, self._answered, self.stop, self.name)
        rng = Random(world.rng.getrandbits(64))
        self.driver = Driver(self, world.kernel, rng, world.delays, world.master, MESOS)
        self._events: deque[Event | str] = deque()
        self._commands: deque[Command] = deque()
        self._answers: list[Event] = []
        self._is_working = False
        self._is_writing = False
        self._wakes_at: float | None = None
        self._handled = 0
        self.replies = 0

    @property
    def is_alive(self) -> bool:
        """Whether it does anything."""
        return not self.is_dead and not self.is_frozen

    @property
    def now(self) -> float:
        """The time of its clock."""
        return self._kernel.now + self.clock_offset

    def lead(self) -> None:
        """Takes the store over and loads it."""
        stored = self.store.load()
        self._world.journal.note(self.name, f"leads, and finds {len(stored.tasks)} tasks")
        self._world.changes.loaded(stored.tasks)
        self.post(BecameLeader(stored=stored))

    # ---- events -----------------------------------------------------------------------

    def post(self, event: Event) -> None:
        """Hands an event to the loop."""
        if not self.is_dead:
            self._events.append(event)
            self._go()

    def stop(self, message: str) -> None:
        """The loop ends after the events that came before."""
        self.is_deposed = True
        if not self.is_dead:
            self._events.append(message)
            self._go()

    def _go(self) -> None:
        if not self._is_working and self.is_alive:
            self._is_working = True
            self._kernel.after(self._world.delays.draw(0.005), self._work)

    def _work(self) -> None:
        self._is_working = False
        if not self.is_alive:
            return
        self._perform_all()
        while self.is_alive and self._events:
            event = self._events.popleft()
            if isinstance(event, str):
                self._world.ended(self, event)
                return
            self._handle(event)
        self._sleep()

    def _handle(self, event: Event) -> None:
        self._world.journal.note(self.name, event)
        if isinstance(event, StatusReceived):
            self._world.oracle.heard(event.status.uuid, event.status.state)
        commands = self.scheduler.handle(event, self.now)
        self._commands.extend(commands)
        if self._world.has_rollouts and self is self._world.leader:
            self._world.changes.stepped(self, commands)
        self._handled += 1
        # ClusterState change when something is stored or has been: after other events they are looked at now and then.
        is_news = isinstance(event, Saved | SaveFailed) or any(isinstance(each, Save) for each in commands)
        if is_news or self._handled % CHECK_EVERY == 0:
            check(self.scheduler)
        if self._handled % VIEW_EVERY == 0:
            self._world.changes.told(self)
        self._perform_all()

    def _sleep(self) -> None:
        wakes_at = self.scheduler.wakes_at()
        if not self.is_alive or wakes_at is None:
            return
        at = self._kernel.now + min(max(wakes_at - self.now, 0.0), LONGEST_SLEEP_SECONDS)
        if self._wakes_at is not None and self._kernel.now <= self._wakes_at <= at:
            return
        self._wakes_at = at

        def wake() -> None:
            if self._wakes_at != at or not self.is_alive:
                return
            self._wakes_at = None
            due = self.scheduler.wakes_at()
            if due is not None and due <= self.now:
                self.post(Woke())
            else:
                self._sleep()

        self._kernel.after(at - self._kernel.now, wake)

    # ---- commands ---------------------------------------------------------------------

    def _perform_all(self) -> None:
        """Between any two commands the process may freeze or be killed; one that wakes goes on where it was."""
        while self._commands and self.is_alive:
            self._world.between_commands(self)
            if self.is_alive and self._commands:
                self._perform(self._commands.popleft())

    def _perform(self, command: Command) -> None:
        self._world.journal.note(self.name, command)
        self._world.oracle.said(command)
        if isinstance(command, Save):
            self.store.save(command)
            self._write_soon()
        elif isinstance(command, Halt):
            self._world.ended(self, f"{command.cause.value}: {command.message}")
        elif isinstance(command, Reply):
            self.replies += 1
        elif not isinstance(command, PublishEvent):
            self.driver.perform(command)

    # ---- the store's writer -----------------------------------------------------------

    def _write_soon(self) -> None:
        if not self._is_writing:
            self._is_writing = True
            self._kernel.after(0.001 + self._world.delays.draw(0.1), self._write)

    def _write(self) -> None:
        self._is_writing = False
        if self.is_dead:
            return
        if self.is_frozen or self._world.is_store_away:
            self._is_writing = True
            self._kernel.after(0.5, self._write)
            return
        self.store.work()
        answers, self._answers = self._answers, []

        def answer() -> None:
            for each in answers:
                self.post(each)

        self._is_writing = True
        self._kernel.after(0.001 + self._world.delays.draw(0.05), lambda: self._written(answer))

    def _written(self, answer: object) -> None:
        self._is_writing = False
        if not self.is_dead:
            answer()  # type: ignore[operator]
            if self.store.has_work:
                self._write_soon()

    def _answered(self, event: Event) -> None:
        self._answers.append(event)

    # ---- faults -----------------------------------------------------------------------

    def kill(self) -> None:
        """kill -9."""
        self.is_dead = True
        self._events.clear()
        self._commands.clear()
        self.session.close()
        self.driver.close()

    def freeze(self) -> None:
        """SIGSTOP."""
        self.is_frozen = True

    def wake(self) -> None:
        """SIGCONT."""
        self.is_frozen = False
        self._wakes_at = None
        self._go()
        self._sleep()
