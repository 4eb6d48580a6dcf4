"""Containers: from a submission until all run, and from a removal until all are gone, beside what the engine can do."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import queue
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlencode

from executor.container.settings import container_settings
from executor.core.order import Order
from framework.local import engine, images
from specs.ids import AgentId, FrameworkId, TaskId, VersionId
from specs.model.stack import Group, Stack
from tests.bench import subject
from tests.bench.report import Bench, Row, middle
from tests.bench.subject import Subject

AGENTS = 3
CONCURRENCIES = (1, 2, 4, 8)
EXECUTOR_IDLE = "3s"
"""Idle time of the executor, so short that the next launch finds none, unless it is kept busy."""
SERVICE = {
    "image": images.BUSYBOX,
    "network_mode": "host",
    "command": ["sh", "-c", 'trap "exit 0" TERM; sleep 100000 & wait'],
    "resources": {"cpus": 0.05, "memory": "32M"},
    "stop": {"grace": "10s"},
}
SOCKET = "/var/run/docker.sock"
API = "/v1.41"
CALL_SECONDS = 60.0


class _Connection(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(CALL_SECONDS)
        self.sock.connect(SOCKET)


class Engine:
    """The Docker engine, asked over plain connections for the containers that an executor would ask for."""

    def __init__(self, directory: Path, group: Group) -> None:
        self._directory = directory
        self._group = group
        self._owner = f"bench-{os.getpid()}"
        self._numbers = iter(range(1, 1_000_000))

    def launch(self, count: int, concurrency: int) -> tuple[list[str], float]:
        """Creates and starts containers; returns their names, and the seconds until all had started."""
        settings = {}
        for _ in range(count):
            name = f"{self._owner}.{next(self._numbers)}"
            sandbox = self._directory / name
            sandbox.mkdir()
            settings[name] = json.dumps(container_settings(self._order(name), str(self._directory), str(sandbox)))

        def start(connection: http.client.HTTPConnection, name: str) -> None:
            _call(connection, "POST", "/containers/create?" + urlencode({"name": name}), settings[name])
            _call(connection, "POST", f"/containers/{name}/start")

        return list(settings), _each(list(settings), start, concurrency)

    def remove(self, names: Sequence[str], concurrency: int) -> float:
        """Stops containers as an executor would, and removes them; returns the seconds it took."""

        def end(connection: http.client.HTTPConnection, name: str) -> None:
            _call(connection, "POST", f"/containers/{name}/stop?t=10")
            _call(connection, "DELETE", f"/containers/{name}?v=1")

        return _each(names, end, concurrency)

    def clear(self) -> None:
        """Removes whatever of it is left."""
        engine.remove_containers([f"framework.framework_id={self._owner}"])

    def _order(self, name: str) -> Order:
        return Order(
            task_id=TaskId(name),
            group=self._group.id,
            slot=0,
            attempt=1,
            version=VersionId("0123456789ab"),
            container=self._group.container,
            cpus_milli=self._group.resources.cpus_milli,
            mem_mib=self._group.resources.mem_mib,
            disk_mib=0,
            gpus=0,
            host_ports=(),
            address="127.0.0.1",
            hostname="bench",
            framework_id=FrameworkId(self._owner),
            agent_id=AgentId(self._owner),
        )


def _call(connection: http.client.HTTPConnection, method: str, path: str, body: str | None = None) -> None:
    connection.request(method, API + path, body, {"Content-Type": "application/json"} if body else {})
    response = connection.getresponse()
    answer = response.read()
    if response.status >= 400:
        raise RuntimeError(f"the engine answered {method} {path} with {response.status}: {answer[:500]!r}")


def _each(names: Sequence[str], work: Callable[[http.client.HTTPConnection, str], None], concurrency: int) -> float:
    """Does the work for each name, so many at a time; returns the seconds. Raises what the first failure was."""
    todo: queue.SimpleQueue[str] = queue.SimpleQueue()
    for name in names:
        todo.put(name)
    failures: list[Exception] = []

    def run() -> None:
        with contextlib.closing(_Connection("engine")) as connection, contextlib.suppress(queue.Empty):
            while not failures:
                name = todo.get_nowait()
                try:
                    work(connection, name)
                except (OSError, http.client.HTTPException, RuntimeError) as error:
                    failures.append(error)

    threads = [threading.Thread(target=run, daemon=True) for _ in range(concurrency)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return time.perf_counter() - begin


@contextlib.contextmanager
def the_engine(group: Group) -> Iterator[Engine]:
    """The engine; what it was asked for is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="bench-engine-") as directory:
        asked = Engine(Path(directory), group)
        try:
            yield asked
        finally:
            asked.clear()


class Figures:
    """Rates and times as they come, by name."""

    def __init__(self) -> None:
        self._found: dict[str, list[float]] = {}

    def add(self, name: str, value: float) -> None:
        self._found.setdefault(name, []).append(value)

    def __getitem__(self, name: str) -> float:
        return middle(self._found[name])

    def names(self, prefix: str) -> list[str]:
        return [name for name in self._found if name.startswith(prefix)]


def run(is_quick: bool) -> list[Row]:
    """Rounds of: the engine at each concurrency, ours with executors to be started, ours with executors there."""
    count, rounds = (6, 1) if is_quick else (60, 3)
    images.build([images.BUSYBOX])
    figures = Figures()
    stack = subject.one_service("bench", count, SERVICE)
    with (
        subject.cluster(agents=AGENTS, scheduler_flags={"executor-idle": EXECUTOR_IDLE}) as cluster,
        the_engine(stack.groups[0]) as plain,
    ):
        ours = Subject(cluster)
        for _ in range(rounds):
            for concurrency in CONCURRENCIES:
                names, seconds = plain.launch(count, concurrency)
                figures.add(f"engine {concurrency}", count / seconds)
                figures.add(f"end {concurrency}", count / plain.remove(names, concurrency))
            _ours(ours, "cold", stack, count, figures)
            keeper = subject.one_service("keeper", AGENTS, SERVICE)
            ours.launch(keeper)
            _ours(ours, "warm", stack, count, figures)
            ours.remove(keeper)
            ours.wait_for_no_executor()
    return _rows(figures, count)


def _ours(ours: Subject, kind: str, stack: Stack, count: int, figures: Figures) -> None:
    before = ours.usage()
    seconds = ours.launch(stack)
    for part, used in subject.spent(before, ours.usage()).items():
        figures.add(f"cpu {kind} {part}", used)
    figures.add(f"launch {kind}", count / seconds)
    figures.add(f"remove {kind}", count / ours.remove(stack))


def _rows(figures: Figures, count: int) -> list[Row]:
    best = max(figures[name] for name in figures.names("engine"))
    best_end = max(figures[name] for name in figures.names("end"))
    rows = []
    for concurrency in CONCURRENCIES:
        name = f"the engine alone, create and start, {concurrency} at a time"
        rows.append(Row(name=name, figure=figures[f"engine {concurrency}"], unit="containers/s"))
    for kind, what in (("warm", "executors there"), ("cold", "executors to be started too")):
        rate = figures[f"launch {kind}"]
        name = f"submit → all {count} run, {what}; to the engine's best"
        rows.append(Row(name=name, figure=rate, unit="containers/s", ratio=rate / best, at_least=0.9))
        rows.append(Row(name=f"the same in time, {what}", figure=count / rate, unit="s"))
    for concurrency in CONCURRENCIES:
        name = f"the engine alone, stop and remove, {concurrency} at a time"
        rows.append(Row(name=name, figure=figures[f"end {concurrency}"], unit="containers/s"))
    rate = figures["remove warm"]
    name = f"remove → all {count} gone; to the engine's best"
    rows.append(Row(name=name, figure=rate, unit="containers/s", ratio=rate / best_end))
    for kind in ("warm", "cold"):
        for part in ("scheduler", "executors", "master", "agents", "ZooKeeper"):
            name = f"{part}, while all {count} are launched ({kind})"
            rows.append(Row(name=name, figure=figures[f"cpu {kind} {part}"], unit="CPU s"))
    return rows


BENCH = Bench(
    name="launch",
    title="Launching containers",
    method=(
        f"60 containers (busybox, host network) on {AGENTS} agents, from the submission over HTTP until the last"
        " RUNNING is stored, and from the removal until the stack is gone. In turn with it, three times over, the"
        " Docker engine alone creates and starts, stops and removes containers with the very same settings over plain"
        " connections, 1, 2, 4 and 8 at a time; figures are medians."
    ),
    run=run,
    limit_seconds=900,
)
