"""Executors: the real core and codec, between a modelled agent and a modelled engine."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any

from executor.codec import events_of, orphan_containers_message, progress_message, status_message
from executor.core import commands as do
from executor.core import events as on
from executor.core.context import Settings
from executor.core.machine import Executor
from executor.core.order import Order
from executor.identity import is_disowned, stranger
from specs.permanence import Permanent
from tests.simulation.agent import copied
from tests.simulation.engine import RELOAD
from tests.simulation.images import Fate
from tests.simulation.kernel import Delays, Kernel, Line
from tests.simulation.runtime import Runtime

if TYPE_CHECKING:
    from tests.simulation.agent import Agent, Running
    from tests.simulation.journal import Journal

Json = dict[str, Any]

SUBSCRIBE_AGAIN_SECONDS = 1.0
LEAST_SLEEP_SECONDS = 1e-6
"""The process's clock is a difference: rounded, it may never reach a time that is only rounding away."""


class Executors:
    """All executor processes of the world; `dying` of an engine are told to those whose containers they were."""

    def __init__(self, kernel: Kernel, rng: Random, delays: Delays, journal: Journal) -> None:
        self.kernel, self.rng, self.delays, self.journal = kernel, rng, delays, journal
        self.by_sandbox: dict[str, ExecutorProcess] = {}
        self.tell_progress: Callable[[str], None] = lambda _: None
        self.is_fetched: Callable[[Json], bool] = lambda info: True
        """Whether an agent gets what an ExecutorInfo names."""

    def start(self, agent: Agent, running: Running) -> None:
        """The agent fetches and starts one."""
        self.kernel.after(0.2 + self.delays.draw(5.0), lambda: self._begin(agent, running))

    def _begin(self, agent: Agent, running: Running) -> None:
        if agent.is_lost or agent.executors.get(running.id) is not running:
            return
        if not self.is_fetched(running.info):
            if agent.is_up:
                agent.not_fetched(running)
            return
        process = ExecutorProcess(self, agent, running)
        running.process = process
        self.by_sandbox[process.sandbox] = process
        process.begin()

    def died(self, sandbox: str, task_id: str, exit_code: int) -> None:
        """A container ended: its maker hears it, if it lives."""
        process = self.by_sandbox.get(sandbox)
        if process is not None and process.is_alive:
            event = on.Exited(task_id=_id(task_id), exit_code=exit_code)
            self.kernel.after(self.delays.draw(0.5), lambda: process.handle(event))

    def is_abandoned(self, sandbox: str) -> bool:
        """Whether whoever had this sandbox is no more."""
        process = self.by_sandbox.get(sandbox)
        return process is None or not process.is_alive


def _id(text: str) -> Any:
    return text


class ExecutorProcess:
    """One process. What it sends while it is not subscribed is lost, as in life."""

    def __init__(self, all: Executors, agent: Agent, running: Running) -> None:  # noqa: A002
        self._all, self._agent, self._running = all, agent, running
        self._kernel = all.kernel
        self._begun_at = self._kernel.now
        self.sandbox = f"/sandboxes/{agent.id}/{running.id}/{running.run}"
        self.name = f"{agent.hostname}#{running.run}"
        self.is_alive = True
        self._is_frozen = False
        self._is_subscribed = False
        self._to_agent = Line(self._kernel, all.delays, 0.2)
        self._to_us = Line(self._kernel, all.delays, 0.2)
        self._agent_id, self._run_id = agent.id, str(running.run)
        self._is_disowned = False
        self._runtime = Runtime(
            agent.engine, self.sandbox, all.is_abandoned, agent.is_earlier, all.died, lambda: all.kernel.now
        )
        self._core = Executor(
            Settings(epoch=self._begun_at, idle_seconds=60.0, publishes=True),
            Random(all.rng.getrandbits(64)),
            self._now,
        )
        self._content: Json = {}
        self._wakes_at: float | None = None
        self._published: dict[str, None] = {}

    @property
    def _now(self) -> float:
        return self._kernel.now - self._begun_at

    def begin(self) -> None:
        """Runs."""
        self._perform_all(self._core.begin())
        self._sleep()

    def kill(self) -> None:
        """kill -9: its containers live on."""
        self.is_alive = False
        self._to_agent.cut()
        self._to_us.cut()

    def freeze(self) -> None:
        """SIGSTOP, for good: it says and hears nothing."""
        self._is_frozen = True
        self._to_agent.cut()
        self._to_us.cut()

    @property
    def has(self) -> dict[str, tuple[str, int]]:
        """The version whose in-place settings each task has, and the number of its signals."""
        orders = (task.order for task in self._core.tasks)
        return {order.task_id: (order.version, order.signals) for order in orders}

    # ---- events -------------------------------------------------------------------------

    def hear(self, message: Json) -> None:
        """The agent says something."""
        self._to_us.send(lambda: self._heard(copied(message)))

    def _heard(self, message: Json) -> None:
        if self._is_disowned:
            return
        if message["type"] == "SUBSCRIBED":
            if reason := stranger(message["subscribed"], self._agent_id, self._run_id):
                self._superseded(reason)
                return
            self._is_subscribed = True
            self.handle(on.Subscribed())
        for event in events_of(message):
            self.handle(event)

    def refused(self, status: int, text: str) -> None:
        """The agent answers a subscription with an error."""
        if is_disowned(status, text):
            self._superseded(text)
        else:
            self._kernel.after(SUBSCRIBE_AGAIN_SECONDS, self._attempt)

    def _superseded(self, reason: str) -> None:
        self._is_disowned, self._is_subscribed = True, False
        self.handle(on.Superseded(reason=reason))

    def agent_went(self) -> None:
        """The agent's process ended: the connection is closed."""
        self._to_agent.cut()
        self._to_us.cut()
        self._is_subscribed = False
        self._kernel.after(0.01, lambda: self.handle(on.Disconnected(reason="the agent closed it")))

    def handle(self, event: on.Event) -> None:
        """Takes an event in."""
        if not self.is_alive or self._is_frozen:
            return
        self._all.journal.note(self.name, event)
        self._perform_all(self._core.handle(event, self._now))
        self._sleep()

    def _sleep(self) -> None:
        at = self._core.wakes_at()
        if not self.is_alive or at is None or at == self._wakes_at:
            return
        self._wakes_at = at

        def wake() -> None:
            if self._wakes_at == at:
                self._wakes_at = None
                self.handle(on.Woke())

        self._kernel.after(max(at - self._now, LEAST_SLEEP_SECONDS), wake)

    # ---- commands -----------------------------------------------------------------------

    def _perform_all(self, commands: tuple[do.Command, ...]) -> None:
        for command in commands:
            if not self.is_alive:
                return
            self._all.journal.note(self.name, command)
            self._perform(command)

    def _perform(self, command: do.Command) -> None:
        match command:
            case do.Subscribe():
                self._subscribe(command)
            case do.SendStatus():
                if self._is_subscribed:
                    message = copied(status_message(command.status, self._running.id, self.sandbox))
                    self._to_agent.send(lambda: self._agent.update(self._running, message))
            case do.SendProgress():
                data = progress_message(command.task_id, command.stage, command.done_bytes, command.total_bytes)
                self._all.tell_progress(data)
            case do.Pull():
                self._pull(command.order)
            case do.Adopt():
                self._operate(command.order, on.Operation.ADOPT, self._runtime.adopt)
            case do.Create():
                self._operate(command.order, on.Operation.CREATE, self._runtime.create)
            case do.Start():
                self._operate(command.order, on.Operation.START, self._runtime.start)
            case do.Signal():
                name = command.signal
                is_found = command.order.task_id in self._published
                assert name == RELOAD or not is_found, f"{command} although it can still be found"
                self._operate(command.order, on.Operation.SIGNAL, lambda order: self._runtime.signal(order, name))
            case do.Remove():
                self._operate(command.order, on.Operation.REMOVE, self._runtime.remove)
            case do.Check():
                self._check(command)
            case do.RunHook():
                self._run_hook(command)
            case do.ListContainers():
                self._agent.engine.ask(self._list, lambda *_: None)
            case do.Reap():
                id = command.container_id
                self._agent.engine.ask(lambda: self._runtime.reap(id), lambda *_: None)
            case do.ReportOrphanContainers():
                if self._is_subscribed:
                    data = orphan_containers_message(command.task_ids)
                    self._to_agent.send(lambda: self._agent.executor_says(self._running, data))
            case do.Exit():
                self._exit()
            case do.Publish():
                self._published[command.endpoint.task_id] = None
            case do.Withdraw():
                self._published.pop(command.task_id, None)
                withdrawn = on.Withdrawn(task_id=command.task_id, serial=command.serial)
                self._kernel.after(self._all.delays.draw(0.1), lambda: self.handle(withdrawn))
            case do.CancelPull() | do.CancelTemplates():
                pass

    def _subscribe(self, command: do.Subscribe) -> None:
        updates = [{"status": status_message(status, self._running.id, self.sandbox)} for status in command.statuses]
        self._content = copied({"unacknowledged_tasks": list(command.tasks), "unacknowledged_updates": updates})
        self._kernel.after(0.05 + self._all.delays.draw(1.0), self._attempt)

    def _attempt(self) -> None:
        if not self.is_alive or self._is_frozen or self._is_disowned:
            return
        if self._agent.is_up:
            content = self._content
            self._to_agent.send(lambda: self._agent.executor_subscribed(self._running, self, content))
        else:
            self._kernel.after(SUBSCRIBE_AGAIN_SECONDS, self._attempt)

    def _exit(self) -> None:
        self.is_alive = False
        running, agent = self._running, self._agent
        running.is_ending = True
        running.is_subscribed = False
        self._kernel.after(self._all.delays.draw(1.0), lambda: agent.executor_ended(running) if agent.is_up else None)

    # ---- the engine ---------------------------------------------------------------------

    def _operate(self, order: Order, operation: on.Operation, perform: Callable[[Order], on.Event | None]) -> None:
        def act() -> None:
            # The request of a process that was killed may or may not have left.
            if self.is_alive or self._all.rng.random() < 0.5:
                answer = perform(order)
                if answer is not None:
                    self.handle(answer)

        def refuse(words: str, is_temporary: bool) -> None:
            failed = on.OperationFailed(
                task_id=order.task_id, operation=operation, message=words, is_temporary=is_temporary
            )
            self.handle(failed)

        self._agent.engine.ask(act, refuse)

    def _pull(self, order: Order) -> None:
        def pulled() -> None:
            image = order.container.image
            if self._agent.engine.registry.fate(image) is Fate.ABSENT:
                self.handle(
                    on.OperationFailed(
                        task_id=order.task_id,
                        operation=on.Operation.PULL,
                        message=f"image {image} could not be pulled: manifest unknown",
                        permanent=Permanent.IMAGE_NOT_FOUND,
                    )
                )
                return
            self._agent.engine.images[image] = None
            self.handle(on.Pulled(task_id=order.task_id))

        def refuse(words: str, is_temporary: bool) -> None:
            self.handle(
                on.OperationFailed(
                    task_id=order.task_id, operation=on.Operation.PULL, message=words, is_temporary=is_temporary
                )
            )

        self._kernel.after(self._all.delays.draw(60.0), lambda: self._agent.engine.ask(pulled, refuse))
        progress = on.PullProgressed(task_id=order.task_id, done_bytes=1, total_bytes=2)
        self._kernel.after(self._all.delays.draw(10.0), lambda: self.handle(progress))

    def _check(self, command: do.Check) -> None:
        def answer() -> None:
            container = self._agent.engine.containers.get(command.order.task_id)
            is_well = container is not None and container.state == "running" and self._agent.engine.is_up
            is_well = is_well and self._agent.engine.registry.fate(command.order.container.image) is not Fate.SICK
            self.handle(
                on.CheckReported(
                    task_id=command.order.task_id,
                    purpose=command.purpose,
                    serial=command.serial,
                    is_healthy=is_well,
                    message="looked at",
                )
            )

        self._kernel.after(self._all.delays.draw(1.0), answer)

    def _run_hook(self, command: do.RunHook) -> None:
        def answer() -> None:
            container = self._agent.engine.containers.get(command.order.task_id)
            is_well = container is not None and container.state == "running" and self._agent.engine.is_up
            self.handle(
                on.HookEnded(
                    task_id=command.order.task_id, serial=command.serial, is_done=is_well, message="exit code 0"
                )
            )

        self._kernel.after(self._all.delays.draw(5.0), answer)

    def _list(self) -> None:
        found = self._runtime.find(self._agent.framework_id, self._agent.id)
        self.handle(on.ContainersListed(containers=found))
