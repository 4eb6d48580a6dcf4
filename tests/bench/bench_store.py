"""How fast the store in ZooKeeper is: `python -m tests.bench.bench_store`. Starts ZooKeepers of its own.

Statuses: all are handed over at once, as in a storm; and a few at a time, as in quiet. Each is a save of one task.
Loading: tasks without agents, and with them; and groups with rules, of which many are equal.
"""

from __future__ import annotations

import dataclasses
import gc
import queue
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kazoo.client import KazooClient

from framework.adapters.zookeeper import ZooKeeperStore
from framework.core.commands import PutAgent, PutStack, PutTask, Save, Write
from framework.core.events import Event, Saved
from framework.core.model import Stored
from framework.local.daemon import Daemon
from tests.kit.cluster import running_zookeeper
from tests.kit.stored import stored_agent, stored_rules, stored_stack, stored_task

STATUSES = 10_000
BATCH = 250
SIZES = ((10_000, 0), (100_000, 0), (100_000, 10_000))
"""Tasks, and agents."""
STACKS = 100
GROUPS = 100
"""In each of the stacks."""
DIFFERENT_RULES = 1000


def say(line: str) -> None:
    """A line of the report."""
    sys.stdout.write(line + "\n")


def complain(problem: str) -> None:
    """What the store says from a thread of its own."""
    sys.stderr.write(problem + "\n")


class Bench:
    """A store below a root of its own."""

    def __init__(self, server: Daemon, root: str) -> None:
        self.url = f"zk://{server.address}{root}"
        self.server = server
        self.root = root
        self.answers: queue.Queue[Event] = queue.Queue()
        self.store = self.opened()
        self.store.load()
        self.ticket = 0

    def opened(self) -> ZooKeeperStore:
        return ZooKeeperStore(self.url, self.answers.put, on_problem=complain, on_lost=complain)

    def save(self, *writes: Write) -> None:
        self.ticket += 1
        self.store.save(Save(ticket=self.ticket, writes=writes))

    def write(self, writes: Sequence[Write], per_save: int) -> float:
        """Saves all of it; returns how many seconds that took."""
        cuts = range(0, len(writes), per_save)
        started = time.perf_counter()
        for first in cuts:
            self.save(*writes[first : first + per_save])
        self.wait(len(cuts))
        return time.perf_counter() - started

    def reload(self) -> tuple[Stored, str]:
        """What a new store finds, and how long it took."""
        self.store.close()
        del self.store
        gc.collect()
        store = self.opened()
        store.acquire()
        started, cpu_before = time.perf_counter(), time.process_time()
        stored = store.load()
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu_before
        store.close()
        return stored, f"loaded in {seconds:.2f} s ({cpu:.2f} s of CPU)"

    def wait(self, count: int) -> None:
        for _ in range(count):
            answer = self.answers.get(timeout=120)
            if not isinstance(answer, Saved):
                raise SystemExit(f"wanted Saved, got {answer}")

    def stored_bytes(self, directory: str) -> int:
        client = KazooClient(hosts=self.server.address)
        client.start()
        try:
            above = f"{self.root}/{directory}"
            return sum(len(client.get(f"{above}/{name}")[0]) for name in client.get_children(above))
        finally:
            client.stop()
            client.close()


def storm(server: Daemon) -> None:
    """Many statuses of many tasks at once."""
    bench = Bench(server, "/storm")
    saves = [Save(ticket=number, writes=(PutTask(task=stored_task(number)),)) for number in range(STATUSES)]
    for name in ("new tasks", "statuses"):
        started = time.perf_counter()
        for save in saves:
            bench.store.save(save)
        bench.wait(STATUSES)
        seconds = time.perf_counter() - started
        say(f"storm of {STATUSES:,} {name}: {STATUSES / seconds:,.0f} a second")
    bench.store.close()


def quiet(server: Daemon) -> None:
    """One status after the other, each answered before the next: what one costs alone."""
    bench = Bench(server, "/quiet")
    bench.save(*(PutTask(task=stored_task(serial)) for serial in range(64)))
    bench.wait(1)
    started = time.perf_counter()
    for _ in range(500):
        bench.save(PutTask(task=stored_task(7)))
        bench.wait(1)
    seconds = time.perf_counter() - started
    say(f"one status at a time: {500 / seconds:,.0f} a second, {seconds / 500 * 1000:.2f} ms each")
    bench.store.close()


def loading(server: Daemon, tasks: int, agents: int) -> None:
    """Writes so many tasks and agents, and loads them in a new store."""
    bench = Bench(server, f"/load{tasks}-{agents}")
    written = bench.write([PutTask(task=stored_task(serial)) for serial in range(tasks)], BATCH)
    written_agents = bench.write([PutAgent(agent=stored_agent(number)) for number in range(agents)], BATCH)
    task_bytes, agent_bytes = bench.stored_bytes("tasks"), bench.stored_bytes("agents")
    stored, how_long = bench.reload()
    if (len(stored.tasks), len(stored.agents)) != (tasks, agents):
        raise SystemExit(f"wanted all that was saved, got {len(stored.tasks)} tasks and {len(stored.agents)} agents")
    what, took, sizes = f"{tasks:,} tasks", f"{written:.2f} s", f"{task_bytes / tasks:.0f} bytes a task"
    if agents:
        what, took = f"{what} and {agents:,} agents", f"{took} and {written_agents:.2f} s"
        sizes += f" and {agent_bytes / agents:.0f} an agent"
    say(f"{what}: written in {took}, {how_long}, {sizes} stored")


def wishes(server: Daemon) -> None:
    """Stacks whose groups have rules."""
    bench = Bench(server, "/wishes")
    rules = [stored_rules(number) for number in range(DIFFERENT_RULES)]
    stacks = [stored_stack(f"stack{number}", GROUPS) for number in range(STACKS)]
    writes = [
        PutStack(
            stack=dataclasses.replace(
                stack,
                groups=tuple(
                    dataclasses.replace(group, rules=rules[(number * GROUPS + place) % DIFFERENT_RULES])
                    for place, group in enumerate(stack.groups)
                ),
            )
        )
        for number, stack in enumerate(stacks)
    ]
    written = bench.write(writes, 1)
    stored, how_long = bench.reload()
    groups = sum(len(stack.groups) for stack in stored.stacks)
    say(f"{groups:,} groups with {DIFFERENT_RULES:,} different rules: written in {written:.2f} s, {how_long}")


@contextmanager
def a_zookeeper() -> Iterator[Daemon]:
    """One that holds nothing: it keeps the last 500 transactions in its memory, of which it has not much."""
    with tempfile.TemporaryDirectory() as directory, running_zookeeper(Path(directory) / "zookeeper") as server:
        yield server


def main() -> None:
    """Prints all figures."""
    with a_zookeeper() as server:
        storm(server)
        quiet(server)
    for tasks, agents in SIZES:
        with a_zookeeper() as server:
            loading(server, tasks, agents)
    with a_zookeeper() as server:
        wishes(server)


if __name__ == "__main__":
    main()
