"""Conversations with the executor's core: events in, commands out, agents that acknowledge at once."""

from __future__ import annotations

import dataclasses
import queue
import random
import time
from functools import cache
from typing import Any, TypeVar

from executor.checks.performing import Checks
from executor.core import commands as do
from executor.core import events as on
from executor.core.commands import Command
from executor.core.context import Settings
from executor.core.events import Event
from executor.core.machine import Executor
from executor.core.order import Order
from executor.core.statuses import Status
from executor.metrics.histogram import Histogram
from executor.runtime import CheckOutcome, Runtime
from specs.ids import AgentId, FrameworkId, TaskId, VersionId, group_id
from specs.model.stack import Container, HealthCheck

EPOCH = 1000.0
C = TypeVar("C")


def order(name: str = "shop.web.1.1", container: Container | None = None, **changes: Any) -> Order:
    """An order for one task, everything in it of the simplest kind."""
    plain = Order(
        task_id=TaskId(name),
        group=group_id("shop", "web"),
        slot=1,
        attempt=1,
        version=VersionId("0123456789ab"),
        container=container or Container(image="acme/web:1"),
        cpus_milli=100,
        mem_mib=64,
        disk_mib=0,
        gpus=0,
        host_ports=(),
        address="10.0.0.5",
        hostname="agent1",
        framework_id=FrameworkId("F"),
        agent_id=AgentId("A"),
    )
    return dataclasses.replace(plain, **changes)


@cache
def _checks() -> Checks:
    return Checks(Histogram(()))


def look(wanted: Order, check: HealthCheck, runtime: Runtime) -> CheckOutcome:
    """The result of one check, performed for real."""
    outcomes: queue.SimpleQueue[CheckOutcome] = queue.SimpleQueue()
    _checks().check(wanted, check, runtime, time.monotonic(), outcomes.put)
    return outcomes.get(timeout=check.timeout_seconds + 30)


class Talk:
    """An executor's core, its clock, and all that it has said."""

    def __init__(self, *, acknowledges: bool = True, subscribes: bool = True, seed: int = 1, **settings: Any) -> None:
        self.now = 0.0
        self.core = Executor(Settings(epoch=EPOCH, **settings), random.Random(seed), self.now)
        self.said: list[Command] = list(self.core.begin())
        self.acknowledges = acknowledges
        if subscribes:
            self.tell(on.Subscribed())

    def tell(self, event: Event) -> list[Command]:
        """The commands that follow from an event. Statuses are acknowledged, and the commands of that are included."""
        answer = list(self.core.handle(event, self.now))
        for command in answer:
            if self.acknowledges and isinstance(command, do.SendStatus):
                status = command.status
                answer += self.core.handle(on.Acknowledged(task_id=status.task_id, uuid=status.uuid), self.now)
        self.said += answer
        return answer

    def wait(self, seconds: float) -> list[Command]:
        """The commands of some seconds in which no event comes from outside."""
        end = self.now + seconds
        answer: list[Command] = []
        while (at := self.core.wakes_at()) is not None and at <= end:
            self.now = max(self.now, at)
            answer += self.tell(on.Woke())
        self.now = end
        return answer

    def launch(self, wanted: Order | None = None) -> list[Command]:
        return self.tell(on.LaunchReceived(order=wanted or order(), task={"raw": "task"}))

    def run(self, wanted: Order | None = None) -> Order:
        """Launches a task and brings it to RUNNING."""
        wanted = wanted or order()
        self.launch(wanted)
        self.tell(on.Created(task_id=wanted.task_id, container_id="c" * 64))
        self.tell(on.Started(task_id=wanted.task_id, addresses=("172.17.0.2",)))
        return wanted

    def end(self, wanted: Order, exit_code: int | None = 0, **removed: Any) -> None:
        """The container ends and is removed."""
        self.tell(on.Exited(task_id=wanted.task_id, exit_code=exit_code))
        self.tell(on.Removed(task_id=wanted.task_id, exit_code=exit_code, **removed))

    @property
    def statuses(self) -> list[Status]:
        return [command.status for command in self.said if isinstance(command, do.SendStatus)]

    @property
    def states(self) -> list[str]:
        return [str(status.state) for status in self.statuses]


def only(kind: type[C], commands: list[Command]) -> list[C]:
    """The commands of one kind."""
    return [command for command in commands if isinstance(command, kind)]
