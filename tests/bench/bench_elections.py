"""Whether a leader with a short session is taken for dead while its machine has far more to do than it can."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator

from framework.cli.server import path_of
from framework.local.daemon import Daemon
from specs.file.load import stack_to_json
from tests.bench import subject
from tests.bench.bench_control import NOOP, RESOURCES, SERVICE
from tests.bench.bench_failover import ask, get, leading, ready, with_session
from tests.bench.report import Bench, Row

AGENTS = 20
TASKS = 5_000
SESSION_SECONDS = 2
SECONDS = 150.0
LOOK_SECONDS = 0.5
BURNER = "import sys, time\nend = time.monotonic() + float(sys.argv[1])\nwhile time.monotonic() < end: pass"


def run(is_quick: bool) -> list[Row]:
    """Two schedulers, cores wanted several times over, and a launch of thousands: who leads is looked at meanwhile."""
    agents, tasks, seconds = (3, 50, 10.0) if is_quick else (AGENTS, TASKS, SECONDS)
    flags = {"executor_environment_variables": NOOP}
    with subject.cluster(agents=agents, resources=RESOURCES, agent_flags=flags, schedulers=2) as cluster:
        with_session(cluster, SESSION_SECONDS)
        first = leading(cluster)
        before = _epoch(first)
        with burners(seconds):
            waits = _launch(first, tasks, seconds)
        changes = _epoch(leading(cluster)) - before
        launched = ready(leading(cluster))
    what = f"session {SESSION_SECONDS} s, {seconds:.0f} s under load"
    return [
        Row(name=f"{what}: changes of leader", figure=float(changes), unit="times", at_most=0),
        Row(name=f"{what}: tasks that ran in the end, of {tasks:,}", figure=float(launched), unit="tasks"),
        Row(name=f"{what}: longest wait for a scheduler's answer", figure=max(waits), unit="s"),
    ]


@contextlib.contextmanager
def burners(seconds: float) -> Iterator[None]:
    """Two processes for each core that only burn it, one of them niced. They end by themselves in any case."""
    command = [sys.executable, "-c", BURNER, str(seconds + 60)]
    started = [
        subprocess.Popen([*nice, *command]) for nice in ([], ["nice", "-n", "10"]) for _ in range(os.cpu_count() or 1)
    ]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def _launch(daemon: Daemon, tasks: int, seconds: float) -> list[float]:
    """Submits so many tasks and looks who leads until the time is over; returns how long each look took."""
    stack = subject.one_service("burning", tasks, SERVICE)
    ask(daemon, lambda server: server.put(path_of("stacks", stack.name), stack_to_json(stack)))
    waits = []
    end = time.monotonic() + seconds
    while (began := time.monotonic()) < end:
        _epoch(daemon)
        waits.append(time.monotonic() - began)
        time.sleep(LOOK_SECONDS)
    return waits


def _epoch(daemon: Daemon) -> int:
    return int(get(daemon, "/v1/leader")["epoch"])


BENCH = Bench(
    name="elections",
    title="A leader under load",
    method=(
        f"Two schedulers with a session time-out of {SESSION_SECONDS} s, master, {AGENTS} agents, ZooKeeper, and two"
        f" processes for each core that only burn it, one of them niced; in the midst {TASKS:,} tasks are launched. A"
        " change of leader would mean that ZooKeeper had not heard from the leader for a whole session. The wait is for"
        " /v1/leader, which each scheduler answers itself, of ZooKeeper's word."
    ),
    run=run,
    limit_seconds=300,
)
