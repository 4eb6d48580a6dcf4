"""The parts of a container engine that its exam needs; the real one and the simulation's sit it.

An `Executor` is an executor's runtime with a sandbox of its own; several share an `Engine`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, Protocol, TypeVar
from uuid import uuid4

import docker

from executor.container.containers import Docker
from executor.core import events as on
from executor.core.order import Order
from executor.logs import Logs
from executor.sandbox import Sandbox
from executor.workers import start_thread
from framework.local.images import BUSYBOX
from framework.local.waiting import wait_for
from specs.ids import FrameworkId
from specs.model.stack import Container, Network
from tests.kit.executor_talk import order as plain_order
from tests.simulation.engine import Engine as EngineModel
from tests.simulation.images import Registry
from tests.simulation.kernel import Delays, Kernel
from tests.simulation.runtime import Runtime

Value = TypeVar("Value")
PATIENCE_SECONDS = 30.0
SLICE_SECONDS = 0.1
OWN_CODE = 3
SCRIPT = f"trap 'exit {OWN_CODE}' USR1; trap 'exit 143' TERM; while :; do sleep 0.05; done"
"""Ends by itself when it is told USR1."""


class Executor(Protocol):
    """An executor's runtime; see executor.container.containers."""

    def adopt(self, order: Order) -> on.Event: ...
    def create(self, order: Order) -> on.Event: ...
    def start(self, order: Order) -> on.Event: ...
    def signal(self, order: Order, signal: str) -> on.Exited | None: ...
    def remove(self, order: Order) -> on.Removed: ...
    def find(self, framework_id: str, agent_id: str) -> tuple[on.FoundContainer, ...]: ...
    def reap(self, container_id: str) -> None: ...


class Engine(Protocol):
    """An engine, and those who use it."""

    framework_id: FrameworkId

    def executor(self) -> Executor:
        """A new executor."""

    def die(self, executor: Executor) -> None:
        """kill -9 of an executor."""

    def end(self, order: Order) -> None:
        """The order's container ends by itself, with OWN_CODE."""

    def codes(self, executor: Executor, order: Order) -> list[int | None]:
        """The exit codes that an executor heard of, of the order's containers."""

    def wait(self, condition: Callable[[], Value | None], what: str) -> Value:
        """The condition's value once it is true; fails with `what` where that takes too long."""


def order_of(engine: Engine, name: str, image: str = BUSYBOX, **changes: Any) -> Order:
    """An order for one container that runs until it is told to end."""
    container = Container(image=image, command=("sh", "-c", SCRIPT), network=Network.HOST)
    wanted = plain_order(f"{engine.framework_id}.{name}", container, framework_id=engine.framework_id)
    return replace(wanted, address="127.0.0.1", **changes)


class RealEngine:
    """Docker, by the executor's own runtime."""

    def __init__(self, directory: Path) -> None:
        self.framework_id = FrameworkId(f"exam-{uuid4()}")
        self._directory = directory
        self._client: Any = docker.APIClient(version="auto")
        self._made: dict[int, tuple[Docker, Sandbox, list[on.Event]]] = {}

    def executor(self) -> Executor:
        root = self._directory / f"sandbox{len(self._made)}"
        root.mkdir()
        sandbox, heard = Sandbox(root), list[on.Event]()
        made = Docker(sandbox, Logs(sandbox), heard.append)
        start_thread("watch", made.watch)
        self._made[id(made)] = (made, sandbox, heard)
        return made

    def die(self, executor: Executor) -> None:
        made, sandbox, _ = self._made[id(executor)]
        # What the kernel does with a process's files and sockets.
        sandbox._lock.close()
        for _, claim in made._claims._held.values():
            claim.close()

    def end(self, order: Order) -> None:
        with contextlib.suppress(docker.errors.APIError):  # It has ended meanwhile.
            self._client.kill(order.task_id, "SIGUSR1")

    def codes(self, executor: Executor, order: Order) -> list[int | None]:
        heard = self._made[id(executor)][2]
        return [each.exit_code for each in heard if isinstance(each, on.Exited) and each.task_id == order.task_id]

    def wait(self, condition: Callable[[], Value | None], what: str) -> Value:
        return wait_for(condition, PATIENCE_SECONDS, what)

    def tidy(self) -> None:
        """Removes what the exam made."""
        label = f"framework.framework_id={self.framework_id}"
        for row in self._client.containers(all=True, filters={"label": label}):
            with contextlib.suppress(docker.errors.NotFound):
                self._client.remove_container(row["Id"], v=True, force=True)
        self._client.close()


class ModelEngine:
    """The simulation's engine."""

    framework_id = FrameworkId("exam")

    def __init__(self) -> None:
        self._kernel = Kernel()
        self._ends: list[tuple[str, str, int]] = []
        self._sandboxes: dict[int, str] = {}
        self._dead: dict[str, None] = {}
        self._engine = EngineModel(self._kernel, _Obedient(1), Delays(Random(2)), self._died, Registry())
        self._engine.images[BUSYBOX] = None

    def _died(self, sandbox: str, task_id: str, exit_code: int) -> None:
        self._ends.append((sandbox, task_id, exit_code))

    def executor(self) -> Executor:
        sandbox = f"/sandboxes/{len(self._sandboxes)}"
        made = Runtime(
            self._engine, sandbox, self._dead.__contains__, lambda _: False, self._died, lambda: self._kernel.now
        )
        self._sandboxes[id(made)] = sandbox
        return made

    def die(self, executor: Executor) -> None:
        self._dead[self._sandboxes[id(executor)]] = None

    def end(self, order: Order) -> None:
        self._engine.end(order.task_id, OWN_CODE)

    def codes(self, executor: Executor, order: Order) -> list[int | None]:
        sandbox = self._sandboxes[id(executor)]
        return [code for where, task_id, code in self._ends if (where, task_id) == (sandbox, order.task_id)]

    def wait(self, condition: Callable[[], Value | None], what: str) -> Value:
        end = self._kernel.now + PATIENCE_SECONDS
        while not (value := condition()):
            assert self._kernel.now < end, f"{what}: not within {PATIENCE_SECONDS:.0f} simulated s"
            self._kernel.run(SLICE_SECONDS)
        return value


class _Obedient(Random):
    """Dice with which every container heeds its signals."""

    def random(self) -> float:
        return 0.99
