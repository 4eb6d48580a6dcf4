"""How fast the store in ZooKeeper is, and what a leader needs for what it holds. Starts ZooKeepers of its own.

Statuses: all are handed over at once, as in a storm; and one at a time, as in quiet. Each is a save of one task.
Loading: tasks without agents, and with them; and groups with rules, of which many are equal.
"""

from __future__ import annotations

import dataclasses
import json
import queue
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kazoo.client import KazooClient

from framework.adapters import marks, nodes
from framework.adapters.zookeeper import ZooKeeperStore
from framework.core.commands import PutAgent, PutFramework, PutStack, PutTask, PutVersion, Save, Write
from framework.core.events import Event, Saved
from framework.core.model import Task
from framework.local.daemon import Daemon, four_letters
from specs.ids import FrameworkId, GroupId, group_id, task_id
from tests.bench.loading import complain
from tests.bench.machine import MIB
from tests.bench.report import Bench, Row
from tests.kit.cluster import running_zookeeper
from tests.kit.stored import VERSION, stored_agent, stored_rules, stored_stack, stored_task, stored_version

STATUSES = 10_000
BATCH = 250
SIZES = ((10_000, 0), (100_000, 0), (100_000, 10_000))
"""Tasks, and agents."""
LOADS = 3
"""Number of loads; the best counts, because other work of the machine only adds to it."""
LOAD_AIM_SECONDS = 2.0
MEMORY_AIM_MIB = 500.0
AIMED_TASKS = 100_000
STACKS = 100
GROUPS = 100
"""In each of the stacks."""
DIFFERENT_RULES = 1000
TASKS_PER_GROUP = 1000


class Subject:
    """A store below a root of its own."""

    def __init__(self, server: Daemon, root: str) -> None:
        self.url = f"zk://{server.address}{root}"
        self._server = server
        self._root = root
        self._answers: queue.Queue[Event] = queue.Queue()
        self._store = ZooKeeperStore(self.url, self._answers.put, on_problem=complain, on_lost=complain)
        self._store.load()
        self._ticket = 0

    def save(self, *writes: Write) -> None:
        """Hands a save over."""
        self._ticket += 1
        self._store.save(Save(ticket=self._ticket, writes=writes))

    def write(self, writes: Sequence[Write], per_save: int) -> float:
        """Saves all of it; returns how many seconds that took."""
        cuts = range(0, len(writes), per_save)
        started = time.perf_counter()
        for first in cuts:
            self.save(*writes[first : first + per_save])
        self.wait(len(cuts))
        return time.perf_counter() - started

    def wait(self, count: int) -> None:
        """Waits until so many saves have been answered."""
        for _ in range(count):
            answer = self._answers.get(timeout=120)
            if not isinstance(answer, Saved):
                raise RuntimeError(f"wanted Saved, got {answer}")

    def close(self) -> None:
        """Ends its session."""
        self._store.close()

    def transactions(self) -> int:
        """How many transactions this term of leadership has had."""
        with client(self._server) as asked:
            return marks.epoch_of(asked.get(f"{self._root}{nodes.EPOCH_NODE}")[0]).transaction

    def stored_bytes(self, directory: str) -> int:
        """Size of the nodes below, in bytes."""
        with client(self._server) as asked:
            above = self._root + directory
            return sum(len(asked.get(f"{above}/{name}")[0]) for name in asked.get_children(above))


@contextmanager
def client(server: Daemon) -> Iterator[KazooClient]:
    """A session beside the store's."""
    asked = KazooClient(hosts=server.address)
    asked.start()
    try:
        yield asked
    finally:
        asked.stop()
        asked.close()


def received(server: Daemon) -> int:
    """Bytes that the server was sent so far."""
    lines = four_letters(server.address, b"mntr").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(b"zk_bytes_received_count")))


def storm(server: Daemon, count: int) -> Iterator[Row]:
    """Many statuses of many tasks at once."""
    subject = Subject(server, "/storm")
    saves = [PutTask(task=stored_task(number)) for number in range(count)]
    for name in ("new tasks", "statuses"):
        sent, made = received(server), subject.transactions()
        seconds = subject.write(saves, 1)
        yield Row(name=f"a storm of {count:,} {name}", figure=count / seconds, unit="saved/s")
        made = subject.transactions() - made
        yield Row(name=f"a storm of {count:,} {name}: transactions for each", figure=made / count, unit="transactions")
        sent = received(server) - sent
        yield Row(name=f"a storm of {count:,} {name}: sent for each", figure=sent / count, unit="bytes")
    subject.close()


def quiet(server: Daemon, count: int) -> Iterator[Row]:
    """One status after the other, each answered before the next: what one costs alone."""
    subject = Subject(server, "/quiet")
    subject.write([PutTask(task=stored_task(serial)) for serial in range(64)], 64)
    sent, began = received(server), time.perf_counter()
    for _ in range(count):
        subject.save(PutTask(task=stored_task(7)))
        subject.wait(1)
    seconds = time.perf_counter() - began
    yield Row(name="one status at a time, until it is saved", figure=seconds / count * 1000, unit="ms")
    yield Row(name="one status at a time: sent for each", figure=(received(server) - sent) / count, unit="bytes")
    subject.close()


def tasks_of(count: int) -> tuple[list[GroupId], list[Task]]:
    """A number of running tasks, a thousand to a group, and their groups."""
    groups = [
        group_id("shop", f"web{number:05d}", ("prod", "frontend")) for number in range(-(-count // TASKS_PER_GROUP))
    ]
    tasks = []
    for serial in range(count):
        group, slot = groups[serial // TASKS_PER_GROUP], serial % TASKS_PER_GROUP
        tasks.append(stored_task(serial, id=task_id(group, slot, serial), group=group, slot=slot))
    return groups, tasks


def loading(server: Daemon, count: int, agents: int) -> Iterator[Row]:
    """Writes so many tasks and agents, and has a new leader load them."""
    subject = Subject(server, "/load")
    groups, tasks = tasks_of(count)
    specs = stored_stack(groups=len(groups)).groups
    specs = tuple(dataclasses.replace(spec, instances=TASKS_PER_GROUP, generation=1) for spec in specs)
    stack = dataclasses.replace(stored_stack(), groups=specs)
    version = dataclasses.replace(stored_version(), id=VERSION)
    framework = PutFramework(framework_id=FrameworkId("bench"), next_serial=count)
    subject.write([framework, PutVersion(version=version), PutStack(stack=stack)], 3)
    written = subject.write([PutTask(task=task) for task in tasks], BATCH)
    subject.write([PutAgent(agent=stored_agent(number)) for number in range(agents)], BATCH)
    task_bytes = subject.stored_bytes(nodes.TASKS_NODE)
    subject.close()
    found = min((loaded(subject.url) for _ in range(LOADS)), key=lambda each: each["seconds"])
    if found["tasks"] != count:
        raise RuntimeError(f"wanted {count} tasks in the view of who has loaded them, got {found['tasks']}")
    what = f"{count:,} tasks" + (f" and {agents:,} agents" if agents else "")
    is_aimed = count == AIMED_TASKS and not agents
    yield Row(name=f"{what}: written", figure=written, unit="s")
    yield Row(name=f"{what}: stored", figure=task_bytes / MIB, unit="MiB")
    yield Row(name=f"{what}: stored for each task", figure=task_bytes / count, unit="bytes")
    aim = LOAD_AIM_SECONDS if is_aimed else None
    yield Row(name=f"{what}: loaded", figure=found["seconds"], unit="s", at_most=aim)
    yield Row(name=f"{what}: loaded", figure=found["cpu_seconds"], unit="CPU s")
    yield Row(name=f"{what}: the core's first step", figure=found["core_cpu_seconds"], unit="CPU s")
    yield Row(name=f"{what}: the first view for readers", figure=found["view_cpu_seconds"], unit="CPU s")
    aim = MEMORY_AIM_MIB if is_aimed else None
    yield Row(name=f"{what}: memory of the process then", figure=found["resident_mib"], unit="MiB", at_most=aim)
    yield Row(name=f"{what}: memory of the process before", figure=found["before_mib"], unit="MiB")


def loaded(url: str) -> dict[str, Any]:
    """The report of tests.bench.loading about the store."""
    command = [sys.executable, "-m", "tests.bench.loading", url]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def specs(server: Daemon, stacks: int) -> Iterator[Row]:
    """Stacks whose groups have rules."""
    subject = Subject(server, "/specs")
    rules = [stored_rules(number) for number in range(DIFFERENT_RULES)]
    writes = []
    for number in range(stacks):
        stack = stored_stack(f"stack{number}", GROUPS)
        groups = tuple(
            dataclasses.replace(group, rules=rules[(number * GROUPS + place) % DIFFERENT_RULES])
            for place, group in enumerate(stack.groups)
        )
        writes.append(PutStack(stack=dataclasses.replace(stack, groups=groups)))
    written = subject.write(writes, 1)
    subject.close()
    store = ZooKeeperStore(subject.url, lambda _: None, on_problem=complain, on_lost=complain)
    store.acquire()
    began = time.perf_counter()
    found = sum(len(stack.groups) for stack in store.load().stacks)
    seconds = time.perf_counter() - began
    store.close()
    name = f"{found:,} groups with {DIFFERENT_RULES:,} different rules"
    yield Row(name=f"{name}: written", figure=written, unit="s")
    yield Row(name=f"{name}: loaded", figure=seconds, unit="s")


@contextmanager
def a_zookeeper() -> Iterator[Daemon]:
    """One that holds nothing: it keeps the last 500 transactions in its memory, of which it has not much."""
    with tempfile.TemporaryDirectory() as directory, running_zookeeper(Path(directory) / "zookeeper") as server:
        yield server


def run(is_quick: bool) -> list[Row]:
    """All figures."""
    rows: list[Row] = []
    with a_zookeeper() as server:
        rows += storm(server, 500 if is_quick else STATUSES)
        rows += quiet(server, 50 if is_quick else 500)
    for tasks, agents in ((1_000, 0),) if is_quick else SIZES:
        with a_zookeeper() as server:
            rows += loading(server, tasks, agents)
    with a_zookeeper() as server:
        rows += specs(server, 2 if is_quick else STACKS)
    return rows


BENCH = Bench(
    name="store",
    title="The store alone",
    method=(
        "A real ZooKeeper on the same machine, which writes to the same disk; each status is a save of its own. In a"
        " storm all are handed over at once, and the store joins them into transactions. What was sent is as ZooKeeper"
        f" counts it. Each store is loaded {LOADS} times, each time by a process of its own that makes a leader's core"
        " of it; the quickest counts, and its resident memory (/proc/PID/statm), with the store's records, the core's"
        " state and a view for readers."
    ),
    run=run,
    limit_seconds=300,
)
