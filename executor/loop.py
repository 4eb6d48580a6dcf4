"""The executor's one loop: events into the core, commands out to the driver, the engine and the checks."""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Callable
from typing import assert_never

from discovery.backends.registry import Registry
from executor.checks.performing import Checks
from executor.container.containers import Docker
from executor.container.images import Images
from executor.core import commands as do
from executor.core.commands import Command
from executor.core.events import (
    CheckReported,
    ContainersListed,
    Event,
    HookEnded,
    Notified,
    Operation,
    OperationFailed,
    Purpose,
    Removed,
    Subscribed,
    Withdrawn,
    Woke,
)
from executor.core.machine import Executor
from executor.core.order import Order
from executor.core.survey import SurveyRequested
from executor.exec_sessions import ExecSessions
from executor.mesos import ExecutorDriver
from executor.metrics.histogram import Histogram
from executor.runtime import CheckOutcome, Fault, Runtime
from executor.sandbox import Sandbox
from executor.workers import Workers
from specs.model.stack import Hook

LONGEST_SLEEP_SECONDS = 3600.0
URGENCY = {Operation.SIGNAL: 0, Operation.REMOVE: 1, Operation.START: 1, Operation.ADOPT: 1, Operation.CREATE: 2}
"""Operations that end something go before those that begin something."""
REAP_URGENCY = 3
TEMPLATES_AT_ONCE = 2
"""Threads that create tasks with templates: one that renders slowly delays no end of another task."""
CLOSE_SECONDS = 1.0
"""Time-out for back ends to withdraw endpoints at the end; the rest goes with the session."""

log = logging.getLogger("executor")


class Loop:
    """The work of one thread. All others post to `events`; `subscribed` is called when the agent has accepted us."""

    def __init__(
        self,
        *,
        core: Executor,
        events: queue.SimpleQueue[Event | SurveyRequested],
        driver: ExecutorDriver,
        sandbox: Sandbox,
        containers: Docker,
        processes: Runtime,
        nothing: Runtime | None,
        images: Images,
        registry: Registry,
        sessions: ExecSessions,
        delays: Histogram,
        subscribed: Callable[[], None],
        operations: int,
    ) -> None:
        self._core = core
        self._events = events
        self._driver = driver
        self._sandbox = sandbox
        self._containers = containers
        self._processes = processes
        self._nothing = nothing
        self._images = images
        self._registry = registry
        self._sessions = sessions
        self._engine = Workers("engine", operations)
        self._templates = Workers("templates", TEMPLATES_AT_ONCE)
        self._checks = Checks(delays)
        self._subscribed = subscribed
        self._is_over = False

    def run(self) -> None:
        """Returns once the core has emitted Exit."""
        self._perform_all(self._core.begin())
        while not self._is_over:
            event = self._next()
            if isinstance(event, SurveyRequested):
                event.answer(self._core.survey())
                continue
            if not isinstance(event, Woke):
                log.debug("%s", event)
            if isinstance(event, Subscribed):
                self._subscribed()
            self._perform_all(self._core.handle(event, time.monotonic()))

    def _next(self) -> Event | SurveyRequested:
        wakes_at = self._core.wakes_at()
        pause = LONGEST_SLEEP_SECONDS if wakes_at is None else wakes_at - time.monotonic()
        try:
            return self._events.get(timeout=min(max(pause, 0.0), LONGEST_SLEEP_SECONDS))
        except queue.Empty:
            return Woke()

    def _perform_all(self, commands: tuple[Command, ...]) -> None:
        for command in commands:
            self._perform(command)

    def _perform(self, command: Command) -> None:
        match command:
            case do.Subscribe():
                self._driver.subscribe(command)
            case do.SendStatus():
                status = command.status
                log.info("%s is %s%s", status.task_id, status.state, f": {status.message}" if status.message else "")
                self._driver.send_status(status)
            case do.SendProgress():
                self._driver.send_progress(command)
            case do.Pull():
                self._images.pull(command.order)
            case do.CancelPull():
                self._images.cancel(command.order)
            case do.CancelTemplates():
                self._containers.cancel_templates(command.order)
            case do.Adopt() | do.Create() | do.Start() | do.Signal() | do.Remove():
                self._operate(command)
            case do.Check():
                self._check(command)
            case do.RunHook():
                self._run_hook(command)
            case do.Notify():
                self._notify(command)
            case do.StartExec():
                self._sessions.attach(command, lambda order, request: self._runtime(order).attach(order, request))
            case do.Publish():
                self._registry.publish(command.endpoint, command.replaces)
            case do.Withdraw():
                self._withdraw(command)
            case do.ListContainers():
                self._engine.submit(self._list, REAP_URGENCY)
            case do.Reap():
                log.warning("container %s of task %s is nobody's: removing it", command.container_id, command.task_id)
                self._engine.submit(lambda: self._reap(command), REAP_URGENCY)
            case do.ReportOrphanContainers():
                self._driver.report_orphan_containers(command)
            case do.Exit():
                log.info("the end: %s", command.reason)
                end = self._registry.hand_over if command.hands_over else self._registry.close
                end(CLOSE_SECONDS)
                self._is_over = True
            case _:
                assert_never(command)

    def _check(self, command: do.Check) -> None:
        order = command.order
        check = order.container.health if command.purpose is Purpose.HEALTH else order.container.ready
        assert check is not None, "the core asks for checks only where there are some"

        def done(outcome: CheckOutcome) -> None:
            self._events.put(
                CheckReported(
                    task_id=order.task_id,
                    purpose=command.purpose,
                    serial=command.serial,
                    is_healthy=outcome.is_healthy,
                    message=outcome.message,
                    code=outcome.code,
                )
            )

        self._checks.check(order, check, self._runtime(order), command.due_at, done)

    def _run_hook(self, command: do.RunHook) -> None:
        order = command.order

        def done(outcome: CheckOutcome) -> None:
            log.info("a hook of %s: %s", order.task_id, outcome.message)
            self._events.put(
                HookEnded(
                    task_id=order.task_id,
                    serial=command.serial,
                    is_done=outcome.is_healthy,
                    message=outcome.message,
                )
            )

        self._checks.hook(order, command.hook, self._runtime(order), done)

    def _notify(self, command: do.Notify) -> None:
        order, runtime = command.order, self._runtime(command.order)

        def report(fault: str) -> None:
            log.info("%s is told that a file has changed%s", order.task_id, f": {fault}" if fault else "")
            self._events.put(Notified(task_id=order.task_id, fault=fault))

        def send() -> None:
            try:
                runtime.signal(order, command.signal)
                report("")
            except Fault as fault:
                report(f"a file has changed, and {fault}")

        def done(outcome: CheckOutcome) -> None:
            report("" if outcome.is_healthy else f"a file has changed, and its command failed: {outcome.message}")

        if command.signal:
            self._engine.submit(send, URGENCY[Operation.SIGNAL])
        else:
            self._checks.hook(order, Hook(command=command.command), runtime, done)

    def _withdraw(self, command: do.Withdraw) -> None:
        answer = Withdrawn(task_id=command.task_id, serial=command.serial)
        self._registry.withdraw(command.task_id, lambda: self._events.put(answer))

    # ---- in the pool's threads ----------------------------------------------------

    def _operate(self, command: do.Adopt | do.Create | do.Start | do.Signal | do.Remove) -> None:
        order = command.order
        runtime = self._runtime(order)
        operation: Operation
        call: Callable[[], Event | None]
        match command:
            case do.Adopt():
                operation, call = Operation.ADOPT, lambda: runtime.adopt(order)
            case do.Create():
                operation, call = Operation.CREATE, lambda: runtime.create(order)
            case do.Start():
                operation, call = Operation.START, lambda: runtime.start(order)
            case do.Signal(signal=name):
                operation, call = Operation.SIGNAL, lambda: runtime.signal(order, name)
            case do.Remove():
                operation, call = Operation.REMOVE, lambda: runtime.remove(order)
        if runtime is self._nothing:
            self._finish(order, operation, call)
        else:
            has_templates = operation is Operation.CREATE and bool(order.container.templates)
            pool = self._templates if has_templates else self._engine
            pool.submit(lambda: self._finish(order, operation, call), URGENCY[operation])

    def _finish(self, order: Order, operation: Operation, call: Callable[[], Event | None]) -> None:
        answer: Event | None
        try:
            answer = call()
        except Fault as fault:
            answer = OperationFailed(
                task_id=order.task_id,
                operation=operation,
                message=str(fault),
                is_temporary=fault.is_temporary,
                permanent=fault.permanent,
            )
        except Exception as error:
            log.exception("%s of %s met an error of the executor's own", operation, order.task_id)
            answer = OperationFailed(
                task_id=order.task_id, operation=operation, message=f"{operation}: the executor failed: {error!r}"
            )
        if isinstance(answer, Removed):
            self._sandbox.ended(order.task_id)
        if answer is not None:
            self._events.put(answer)

    def _list(self) -> None:
        try:
            found = self._containers.find(self._driver.framework_id["value"], self._driver.agent_id)
            self._events.put(ContainersListed(containers=found))
        except Fault as fault:
            log.warning("containers left behind cannot be looked for: %s", fault)

    def _reap(self, command: do.Reap) -> None:
        try:
            self._containers.reap(command.container_id)
        except Fault as fault:
            log.warning("container %s of task %s stays: %s", command.container_id, command.task_id, fault)

    def _runtime(self, order: Order) -> Runtime:
        if self._nothing is not None:
            return self._nothing
        return self._processes if order.is_process else self._containers
