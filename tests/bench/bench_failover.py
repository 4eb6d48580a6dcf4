"""The leader is killed: how long until the next one has subscribed, knows how every task is, and launches again."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from framework.cli.retrying import NoScheduler
from framework.cli.server import Address, RequestRefused, Server, path_of
from framework.local import commands
from framework.local.cluster import Cluster
from framework.local.daemon import Daemon, http_status
from specs.file.load import stack_to_json
from specs.model.stack import Stack
from tests.bench import subject
from tests.bench.bench_control import NOOP, RESOURCES, SERVICE
from tests.bench.report import Bench, Row

AGENTS = 20
SIZES = (1_000, 10_000)
SESSIONS = (2, 4, 10)
AIMS = {1_000: 1.0, 10_000: 3.0}
"""Seconds after the session time-out, by the number of tasks, within which the next leader launches again."""
HAND_OVER_AIM = 1.0
WAIT_SECONDS = 120.0
LAUNCH_SECONDS = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Seconds from the kill on; `restarted` counts the tasks that are not the ones from before."""

    loaded: float
    subscribed: float
    reconciled: float
    launched: float
    restarted: int


def run(is_quick: bool) -> list[Row]:
    """For each size and each session time-out: two schedulers, of which the one that leads is killed."""
    agents, sizes, sessions = (3, (50,), (2,)) if is_quick else (AGENTS, SIZES, SESSIONS)
    flags = {"executor_environment_variables": NOOP}
    rows: list[Row] = []
    with subject.cluster(agents=agents, resources=RESOURCES, agent_flags=flags, schedulers=2) as cluster:
        placed = 0
        for size in sizes:
            _submit(cluster, subject.one_service(f"part{size}", size - placed, SERVICE), size)
            placed = size
            for session in sessions:
                found = _fail_over(cluster, session)
                placed += 1
                rows += _rows(size, session, found)
            took = _hand_over(cluster)
            rows.append(
                Row(name=f"{size:,} tasks, step-down: subscribed", figure=took, unit="s", at_most=HAND_OVER_AIM)
            )
    return rows


def _submit(cluster: Cluster, stack: Stack, running: int) -> None:
    """Submits, and waits until there are so many running tasks in all."""
    plain = stack_to_json(stack)
    ask(leading(cluster), lambda server: server.put(path_of("stacks", stack.name), plain))
    _until(lambda: ready(leading(cluster)) >= running, LAUNCH_SECONDS, f"{running} tasks running")


def _fail_over(cluster: Cluster, session: int) -> Found:
    """Kills the leader of two schedulers with this session time-out, and asks the other for one task more."""
    with_session(cluster, session)
    old = leading(cluster)
    before = _task_ids(old)
    one = subject.one_service(f"more{time.time_ns()}", 1, SERVICE)
    begin = time.time()
    old.kill(signal.SIGKILL)
    new = next(daemon for daemon in _schedulers(cluster) if daemon.name != old.name)
    ask(new, lambda server: server.put(path_of("stacks", one.name), stack_to_json(one)))
    _until(lambda: _events(new, "TaskLaunched", one.name), WAIT_SECONDS, "a launch")
    _until(lambda: _events(new, "Reconciled"), WAIT_SECONDS, "the reconciliation")
    after = _task_ids(new)
    return Found(
        loaded=_loaded(new, begin) - begin,
        subscribed=min(_events(new, "Subscribed")) - begin,
        reconciled=min(_events(new, "Reconciled")) - begin,
        launched=min(_events(new, "TaskLaunched", one.name)) - begin,
        restarted=len(before - after),
    )


def with_session(cluster: Cluster, session: int) -> None:
    """Starts the schedulers anew with this session time-out in seconds; waits for a leader and a standby."""
    for number, daemon in enumerate(_schedulers(cluster), 1):
        daemon.kill(signal.SIGTERM)
        flags = {"session-timeout": f"{session}s"}
        Daemon.create(daemon.directory, commands.scheduler(cluster.shape, number, flags)).start().wait()
    _until(lambda: len(get(leading(cluster), "/v1/leader")["standbys"]) == 1, WAIT_SECONDS, "a standby")


def _hand_over(cluster: Cluster) -> float:
    """Seconds from the order to step down until the standby has subscribed."""
    for daemon in _schedulers(cluster):
        daemon.start()
    old = leading(cluster)
    _until(lambda: len(get(old, "/v1/leader")["standbys"]) == 1, WAIT_SECONDS, "a standby")
    new = next(daemon for daemon in _schedulers(cluster) if daemon.name != old.name)
    begin = time.time()
    ask(old, lambda server: server.post("/v1/leader/step-down", {"to": new.address}))
    _until(lambda: http_status(f"http://{new.address}/v1/ready") == 200, WAIT_SECONDS, "the standby leading")
    return min(_events(new, "Subscribed")) - begin


def _rows(size: int, session: int, found: Found) -> Iterator[Row]:
    what = f"{size:,} tasks, session {session} s"
    aim = session + AIMS[size] if size in AIMS else None
    yield Row(name=f"{what}: leads, and has read the store", figure=found.loaded, unit="s")
    yield Row(name=f"{what}: subscribed", figure=found.subscribed, unit="s")
    yield Row(name=f"{what}: reconciled", figure=found.reconciled, unit="s")
    yield Row(name=f"{what}: launches again", figure=found.launched, unit="s", at_most=aim)
    yield Row(name=f"{what}: restarted", figure=float(found.restarted), unit="tasks", at_most=0)


def _schedulers(cluster: Cluster) -> list[Daemon]:
    return cluster.of_kind("scheduler")


def leading(cluster: Cluster) -> Daemon:
    """The scheduler that leads; waits for one."""
    found: list[Daemon] = []

    def leads() -> bool:
        found.extend(
            daemon
            for daemon in _schedulers(cluster)
            if daemon.state == "running" and http_status(f"http://{daemon.address}/v1/ready") == 200
        )
        return bool(found)

    _until(leads, WAIT_SECONDS, "a scheduler that leads")
    return found[0]


def ask(daemon: Daemon, ask: Callable[[Server], Any]) -> Any:
    """The scheduler's answer; the request is repeated while there is none."""
    server = Server(Address(f"http://{daemon.address}", "the bench"), None)
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            return ask(server)
        except (NoScheduler, RequestRefused):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def get(daemon: Daemon, path: str) -> Any:
    """The answer to a GET."""
    return ask(daemon, lambda server: server.get(path))


def ready(daemon: Daemon) -> int:
    """How many tasks are ready."""
    return sum(group["ready"] for group in get(daemon, "/v1/groups")["groups"])


def _task_ids(daemon: Daemon) -> set[str]:
    return {task["id"] for task in get(daemon, "/v1/tasks")["tasks"] if task["state"] == "RUNNING"}


def _events(daemon: Daemon, kind: str, stack: str = "") -> list[float]:
    """When events of the kind were told."""
    events = ask(daemon, lambda server: list(server.events(pattern=stack or None, after=0, follow=False)))
    return [float(event["at"]) for event in events if event["kind"] == kind]


def _loaded(daemon: Daemon, since: float) -> float:
    """When the scheduler said after `since` what the store holds."""
    for line in (daemon.directory / "log").read_text(encoding="utf-8", errors="replace").splitlines():
        if "the store holds" in line:
            date, seconds = " ".join(line.split()[:2]).split(",")
            at = time.mktime(time.strptime(date, "%Y-%m-%d %H:%M:%S")) + int(seconds) / 1000
            if at >= since - 0.001:
                return at
    raise RuntimeError(f'{daemon.directory}/log: wanted "the store holds" after {since}, got no such line')


def _until(condition: Callable[[], Any], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"wanted {what} within {seconds:.0f} s")
        time.sleep(0.05)


BENCH = Bench(
    name="failover",
    title="A leader that is killed",
    method=(
        f"Two schedulers, {AGENTS} real agents and tasks that start nothing, all on the same machine: kill -9 of the"
        " leader; from then until the standby leads and has read the store, until it has subscribed, until the master"
        " has told it the state of every stored task, and until it launches a task that was submitted meanwhile, as a"
        " client does that asks again until it is answered. The session time-out with ZooKeeper is a part of every"
        " figure but those of step-down, which count from the order on."
    ),
    run=run,
    limit_seconds=1800,
)
