"""An executor's work on a modelled engine: the operations that executor.container.containers performs on a real
one."""

from __future__ import annotations

from collections.abc import Callable

from executor.core import events as on
from executor.core.order import Order
from specs.ids import is_same_container
from tests.simulation.engine import Container, Died, Engine

ADDRESSES = ("172.17.0.2",)


class Runtime:
    """The engine as one executor sees it, by its `sandbox`. Operations happen at once; `now` is in seconds."""

    def __init__(
        self,
        engine: Engine,
        sandbox: str,
        is_abandoned: Callable[[str], bool],
        is_earlier: Callable[[str], bool],
        died: Died,
        now: Callable[[], float],
    ) -> None:
        """`is_earlier`: whether an agent id is one that this agent had, as far as its work directory says."""
        self._engine, self._sandbox = engine, sandbox
        self._is_abandoned, self._is_earlier, self._died, self._now = is_abandoned, is_earlier, died, now

    def adopt(self, order: Order) -> on.Adopted | on.NothingToAdopt:
        """Takes over what a predecessor has left, and removes the rest of it."""
        left = [each for id in order.predecessors if (each := self._engine.containers.get(id)) and self._may_have(each)]
        heir = next((each for each in left if order.adopts and _fits(each, order)), None)
        for each in left:
            if each is not heir:
                self._engine.remove(each.name)
        if heir is None:
            return on.NothingToAdopt(task_id=order.task_id)
        self._engine.adopt(heir, order, self._sandbox)
        if heir.state == "exited":
            self._died(self._sandbox, order.task_id, heir.exit_code or 0)
        return on.Adopted(task_id=order.task_id, container_id=heir.id, addresses=ADDRESSES, started_at=heir.started_at)

    def _may_have(self, container: Container) -> bool:
        return container.sandbox == self._sandbox or self._is_abandoned(container.sandbox)

    def create(self, order: Order) -> on.Created | on.ImageMissing:
        """Makes the order's container, unless it is there."""
        if order.container.image not in self._engine.images:
            return on.ImageMissing(task_id=order.task_id)
        return on.Created(task_id=order.task_id, container_id=self._engine.create(order, self._sandbox).id)

    def start(self, order: Order) -> on.Started | on.OperationFailed:
        """Starts it, unless it runs; what has ended begins anew, as with the engine's own start."""
        container = self._engine.containers.get(order.task_id)
        if container is None:
            return on.OperationFailed(task_id=order.task_id, operation=on.Operation.START, message="no such container")
        if container.state != "running":
            self._engine.start_container(container, self._now())
        return on.Started(task_id=order.task_id, addresses=ADDRESSES)

    def signal(self, order: Order, signal: str) -> on.Exited | None:
        """Sends a signal; what is not there any more has ended."""
        if self._engine.signal(order.task_id, signal):
            return None
        return on.Exited(task_id=order.task_id, exit_code=None)

    def remove(self, order: Order) -> on.Removed:
        """Removes it, running or not."""
        found = self._engine.remove(order.task_id)
        return on.Removed(task_id=order.task_id, exit_code=found.exit_code if found else None)

    def find(self, framework_id: str, agent_id: str) -> tuple[on.FoundContainer, ...]:
        """The framework's containers on this agent, whoever made them; and the abandoned ones of other agent ids."""
        found = []
        for each in self._engine.containers.values():
            is_ours = each.sandbox == self._sandbox
            is_foreign = not is_ours and each.agent_id != agent_id and not self._is_earlier(each.agent_id)
            is_abandoned = not is_ours and self._is_abandoned(each.sandbox)
            if each.framework_id == framework_id and (is_abandoned or not is_foreign):
                found.append(
                    on.FoundContainer(
                        container_id=each.id,
                        task_id=each.order.task_id,
                        is_ours=is_ours,
                        is_abandoned=is_abandoned,
                        is_foreign=is_foreign,
                    )
                )
        return tuple(found)

    def reap(self, container_id: str) -> None:
        """Removes a container that nobody claims."""
        for each in list(self._engine.containers.values()):
            if each.id == container_id:
                self._engine.remove(each.name)


def _fits(container: Container, order: Order) -> bool:
    """Whether it is what the order wants, and was started."""
    return is_same_container(container.order.version, order.version) and container.state != "created"
