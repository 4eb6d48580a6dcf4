"""How fast the store in ZooKeeper is: `python -m tests.bench.bench_store`. Starts a ZooKeeper of its own.

Statuses: all are handed over at once, as in a storm; and a few at a time, as in quiet. Each is a save of one task.
"""

from __future__ import annotations

import gc
import queue
import sys
import tempfile
import time
from pathlib import Path

from kazoo.client import KazooClient

from framework.adapters.zookeeper import ZooKeeperStore
from framework.core.commands import PutTask, Save
from framework.core.events import Event, Saved
from framework.local.daemon import Daemon
from tests.kit.cluster import running_zookeeper
from tests.kit.stored import stored_task

STATUSES = 10_000
BATCH = 250
SIZES = (10_000, 100_000)


def say(line: str) -> None:
    """A line of the report."""
    sys.stdout.write(line + "\n")


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
        return ZooKeeperStore(self.url, self.answers.put, on_problem=sys.exit, on_lost=sys.exit)

    def save(self, *serials: int) -> None:
        self.ticket += 1
        writes = tuple(PutTask(task=stored_task(serial)) for serial in serials)
        self.store.save(Save(ticket=self.ticket, writes=writes))

    def wait(self, count: int) -> None:
        for _ in range(count):
            answer = self.answers.get(timeout=120)
            if not isinstance(answer, Saved):
                raise SystemExit(f"wanted Saved, got {answer}")

    def stored_bytes(self) -> int:
        client = KazooClient(hosts=self.server.address)
        client.start()
        try:
            return sum(
                len(client.get(f"{self.root}/tasks/{name}")[0]) for name in client.get_children(f"{self.root}/tasks")
            )
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
    bench.save(*range(64))
    bench.wait(1)
    started = time.perf_counter()
    for _ in range(500):
        bench.save(7)
        bench.wait(1)
    seconds = time.perf_counter() - started
    say(f"one status at a time: {500 / seconds:,.0f} a second, {seconds / 500 * 1000:.2f} ms each")
    bench.store.close()


def loading(server: Daemon, size: int) -> None:
    """Writes so many tasks and loads them in a new store."""
    bench = Bench(server, f"/load{size}")
    started = time.perf_counter()
    count = 0
    for first in range(0, size, BATCH):
        bench.save(*range(first, min(first + BATCH, size)))
        count += 1
    bench.wait(count)
    written = time.perf_counter() - started
    stored = bench.stored_bytes()
    bench.store.close()
    del bench.store
    gc.collect()
    store = bench.opened()
    store.acquire()
    started, cpu_before = time.perf_counter(), time.process_time()
    tasks = store.load().tasks
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu_before
    store.close()
    assert len(tasks) == size
    say(
        f"{size:,} tasks: written in {written:.2f} s, loaded in {seconds:.2f} s ({cpu:.2f} s of CPU),"
        f" {stored / size:.0f} bytes a task stored"
    )


def main() -> None:
    """Prints all figures."""
    with tempfile.TemporaryDirectory() as directory, running_zookeeper(Path(directory) / "zookeeper") as server:
        storm(server)
        quiet(server)
        for size in SIZES:
            loading(server, size)


if __name__ == "__main__":
    main()
