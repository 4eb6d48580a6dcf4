"""The cost of checks for an executor: many tasks checked over HTTP, and how late the checks begin."""

from __future__ import annotations

import dataclasses
import queue
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from executor.checks.probes import CheckTarget, Done, Probes
from executor.core import commands as do
from executor.core import events as on
from executor.core.context import Settings
from executor.core.events import Event, Purpose
from executor.core.machine import Executor
from executor.core.order import Order
from executor.runtime import CheckOutcome
from specs.ids import AgentId, FrameworkId, TaskId, VersionId, group_id
from specs.model.stack import CheckKind, Container, HealthCheck
from tests.bench.report import Bench, Row

TASKS = 500
INTERVAL_SECONDS = 5.0
WARM_UP_SECONDS = 10.0
SECONDS = 30.0
CHECK = HealthCheck(kind=CheckKind.HTTP, interval_seconds=INTERVAL_SECONDS)
SERVER = """
import asyncio
async def answer(reader, writer):
    await reader.readuntil(b"\\r\\n\\r\\n")
    writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok")
    await writer.drain()
    writer.close()
async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1000)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


def run(is_quick: bool) -> list[Row]:
    """The executor's core and its checks, against one server in a process of its own."""
    tasks, warm_up, seconds = (50, 2.0, 3.0) if is_quick else (TASKS, WARM_UP_SECONDS, SECONDS)
    with _server() as port:
        checks, cpu, late = _watch(tasks, port, warm_up, seconds)
    late.sort()
    what = f"{tasks} tasks checked over HTTP every {INTERVAL_SECONDS:g} s"
    return [
        Row(name=f"{what}: the executor", figure=cpu / seconds * 100, unit="% of a core", at_most=10.0),
        Row(name="a check", figure=cpu / max(checks, 1) * 1000, unit="ms of cpu"),
        Row(name="begins late, 99 of 100", figure=late[int(len(late) * 0.99)] * 1000, unit="ms", at_most=50.0),
    ]


@contextmanager
def _server() -> Iterator[int]:
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield int(server.stdout.readline())
        finally:
            server.kill()


def _watch(tasks: int, port: int, warm_up: float, seconds: float) -> tuple[int, float, list[float]]:
    """How many checks were made, what they cost in seconds of cpu, and how late each began."""
    late: list[float] = []
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    probes = Probes(late.append)
    core = Executor(Settings(epoch=0.0), random.Random(1), time.monotonic())
    target = CheckTarget(address="127.0.0.1", port=port, check=CHECK)

    def answered(check: do.Check) -> Done:
        return lambda outcome: events.put(_report(check, outcome))

    def handle(event: Event) -> None:
        for command in core.handle(event, time.monotonic()):
            if isinstance(command, do.Check):
                probes.submit(target, command.due_at, answered(command))
            elif isinstance(command, do.SendStatus):
                handle(on.Acknowledged(task_id=command.status.task_id, uuid=command.status.uuid))

    handle(on.Subscribed())
    for number in range(tasks):
        order = _order(number)
        handle(on.LaunchReceived(order=order, task={}))
        handle(on.Created(task_id=order.task_id, container_id="c"))
        handle(on.Started(task_id=order.task_id, addresses=()))
    began_at, ends_at, cpu = time.monotonic() + warm_up, time.monotonic() + warm_up + seconds, 0.0
    is_warm = False
    while (now := time.monotonic()) < ends_at:
        if not is_warm and now >= began_at:
            is_warm, cpu = True, time.process_time()
            late.clear()
        wakes_at = core.wakes_at()
        try:
            handle(events.get(timeout=max(min(wakes_at or ends_at, ends_at) - now, 0.0)))
        except queue.Empty:
            handle(on.Woke())
    return len(late), time.process_time() - cpu, late


def _report(check: do.Check, outcome: CheckOutcome) -> Event:
    return on.CheckReported(
        task_id=check.order.task_id,
        purpose=Purpose.HEALTH,
        serial=check.serial,
        is_healthy=outcome.is_healthy,
        message=outcome.message,
        code=outcome.code,
    )


_ORDER = Order(
    task_id=TaskId("bench.web.0.0"),
    group=group_id("bench", "web"),
    slot=0,
    attempt=1,
    version=VersionId("0123456789ab"),
    container=Container(image="a", health=CHECK),
    cpus_milli=10,
    mem_mib=16,
    disk_mib=0,
    gpus=0,
    host_ports=(),
    address="127.0.0.1",
    hostname="agent1",
    framework_id=FrameworkId("F"),
    agent_id=AgentId("A"),
)


def _order(number: int) -> Order:
    return dataclasses.replace(_ORDER, task_id=TaskId(f"bench.web.{number}.{number}"), slot=number)


BENCH = Bench(
    name="health",
    title="Health checks",
    method=(
        f"The executor's core and its one thread for checks over the network, with {TASKS} tasks that run, each asked"
        f" by HTTP every {INTERVAL_SECONDS:g} s of a small server in another process: the CPU time of the executor's"
        f" side over {SECONDS:.0f} s, and how long after it was due each check began."
    ),
    run=run,
    limit_seconds=120,
)
