"""A model of a Docker engine: its containers outlive whoever made them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from executor.core.order import Order
from tests.simulation.images import LATE_SECONDS, Fate, Registry
from tests.simulation.kernel import Delays, Kernel

PATIENCE_SECONDS = 30.0
Died = Callable[[str, str, int], None]
"""Called with the maker's sandbox, the task's id and the exit code."""

RELOAD = "SIGHUP"
"""A signal that every container heeds without an end."""


@dataclass(slots=True, kw_only=True)
class Container:
    """A container by the name of its task. `sandbox` says who made or adopted it; `state` is created, running or
    exited."""

    id: str
    name: str
    framework_id: str
    agent_id: str
    sandbox: str
    order: Order
    state: str = "created"
    started_at: float = 0.0
    exit_code: int | None = None
    ignores_signals: bool = False


class Engine:
    """The engine of one machine."""

    def __init__(self, kernel: Kernel, rng: Random, delays: Delays, died: Died, registry: Registry) -> None:
        self._kernel, self._rng, self._delays, self._died = kernel, rng, delays, died
        self.registry = registry
        self.containers: dict[str, Container] = {}
        self.images: dict[str, None] = {}
        self.is_up = True
        self.trouble = 0.0
        """The share of operations that the engine refuses."""
        self._made = 0

    def ask(self, perform: Callable[[], None], refuse: Callable[[str, bool], None], since: float | None = None) -> None:
        """Has an operation performed in a while; `refuse` is called with words and whether the engine was away."""
        begun_at = self._kernel.now if since is None else since

        def do() -> None:
            if not self.is_up:
                if self._kernel.now - begun_at > PATIENCE_SECONDS:
                    refuse("the engine has not answered", True)
                else:
                    self.ask(perform, refuse, begun_at)
            elif self._rng.random() < self.trouble:
                refuse("the engine says no", False)
            else:
                perform()

        self._kernel.after(0.01 + self._delays.draw(2.0), do)

    def create(self, order: Order, sandbox: str) -> Container:
        """Makes a container, or finds that of this name."""
        found = self.containers.get(order.task_id)
        if found is None:
            self._made += 1
            found = self.containers[order.task_id] = Container(
                id=f"{self._rng.getrandbits(48):012x}{self._made:04x}",
                name=order.task_id,
                framework_id=order.framework_id,
                agent_id=order.agent_id,
                sandbox=sandbox,
                order=order,
                ignores_signals=self._rng.random() < 0.2 or self._fate(order) is Fate.DEAF,
            )
        return found

    def _fate(self, order: Order) -> Fate:
        return self.registry.fate(order.container.image)

    def start_container(self, container: Container, now: float) -> None:
        """It runs, and ends by itself where its image is one that does."""
        container.state, container.started_at, container.exit_code = "running", now, None
        fate = self._fate(container.order)
        if fate is Fate.LATE:
            self._kernel.after(LATE_SECONDS, lambda: self._ends_by_itself(container, now, 1))
        elif fate in (Fate.CRASHES, Fate.ENDS):
            code = 1 if fate is Fate.CRASHES else 0
            self._kernel.after(self._delays.draw(0.3), lambda: self._ends_by_itself(container, now, code))

    def _ends_by_itself(self, container: Container, started_at: float, exit_code: int) -> None:
        if container.started_at == started_at and not self.registry.is_mended:
            self._end(container, exit_code)

    def adopt(self, container: Container, order: Order, sandbox: str) -> None:
        """The container goes over to another task and its executor."""
        del self.containers[container.name]
        container.name, container.order, container.sandbox = order.task_id, order, sandbox
        self.containers[container.name] = container

    def signal(self, name: str, signal: str) -> bool:
        """Sends a signal; False where there is no such container."""
        container = self.containers.get(name)
        if container is None:
            return False
        if signal == RELOAD:
            return True
        if signal == "SIGKILL":
            self.end(name, 137)
        elif not container.ignores_signals:
            self._kernel.after(self._delays.draw(4.0), lambda: self._end(container, 143))
        return True

    def end(self, name: str, exit_code: int) -> None:
        """The container's process ends."""
        if name in self.containers:
            self._end(self.containers[name], exit_code)

    def _end(self, container: Container, exit_code: int) -> None:
        if container.state == "running" and self.containers.get(container.name) is container:
            container.state, container.exit_code = "exited", exit_code
            if self.is_up:
                self._died(container.sandbox, container.name, exit_code)

    def remove(self, name: str) -> Container | None:
        """Removes a container, running or not."""
        found = self.containers.pop(name, None)
        if found is not None and found.state == "running":
            found.state, found.exit_code = "exited", 137
        return found

    def stop(self) -> None:
        """The engine stops, and its containers with it."""
        self.is_up = False
        for container in self.containers.values():
            if container.state == "running":
                container.state, container.exit_code = "exited", 137

    def start(self) -> None:
        """The engine is back; executors look at what became of their containers."""
        if self.is_up:
            return
        self.is_up = True
        for container in list(self.containers.values()):
            if container.state == "exited":
                self._died(container.sandbox, container.name, container.exit_code or 137)

    def destroy(self) -> None:
        """The machine is no more."""
        self.containers.clear()
        self.is_up = False
