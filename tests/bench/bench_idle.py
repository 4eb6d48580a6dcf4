"""The system's usage while nothing happens."""

from __future__ import annotations

import time
from collections.abc import Iterator

from framework.local import images
from framework.local.cluster import Cluster
from tests.bench import bench_control, bench_launch, machine, subject
from tests.bench.report import Bench, Row
from tests.bench.subject import Subject

TASKS = 1_000
CONTAINERS = 20
REST_SECONDS = 10.0
"""Between the last event and the measurement."""
IDLE_SECONDS = 30.0


def run(is_quick: bool) -> list[Row]:
    """The scheduler with many tasks that start nothing, then real executors with and without containers."""
    agents, tasks, containers = (3, 30, 2) if is_quick else (bench_control.AGENTS, TASKS, CONTAINERS)
    rest, idle = (1.0, 5.0) if is_quick else (REST_SECONDS, IDLE_SECONDS)
    rows: list[Row] = []
    with bench_control.noop_cluster(agents) as cluster:
        ours = Subject(cluster)
        ours.launch(subject.one_service("bench", tasks, bench_control.SERVICE))
        rows += _scheduler(ours, tasks, rest, idle)
    images.build([images.BUSYBOX])
    with subject.cluster(agents=1) as cluster:
        ours = Subject(cluster)
        stack = subject.one_service("bench", containers, bench_launch.SERVICE)
        ours.launch(stack)
        rows += _executor(cluster, f"with {containers} containers", rest, idle)
        ours.remove(stack)
        rows += _executor(cluster, "whose containers have gone", rest, idle)
    return rows


def _scheduler(ours: Subject, tasks: int, rest: float, idle: float) -> Iterator[Row]:
    time.sleep(rest)
    before = ours.usage()
    time.sleep(idle)
    after = ours.usage()
    used = subject.spent(before, after)
    name = f"scheduler with {tasks:,} running tasks"
    yield Row(name=name, figure=used["scheduler"] / idle * 100, unit="% of a core", at_most=1.0)
    yield Row(name=f"{name}: memory", figure=after["scheduler"].resident_mib, unit="MiB")
    count = after["executors"].count
    yield Row(name=f"its {count} executors together", figure=used["executors"] / idle * 100, unit="% of a core")


def _executor(cluster: Cluster, what: str, rest: float, idle: float) -> Iterator[Row]:
    time.sleep(rest)
    pids = machine.executors(cluster)
    before = machine.usage(pids)
    time.sleep(idle)
    after = machine.usage(pids)
    name = f"an executor {what}"
    yield Row(name=f"{name}: memory", figure=after.resident_mib / max(after.count, 1), unit="MiB", at_most=40.0)
    yield Row(name=name, figure=(after.cpu_seconds - before.cpu_seconds) / idle * 100, unit="% of a core")


BENCH = Bench(
    name="idle",
    title="Idle",
    method=(
        f"The CPU time of the scheduler's process over {IDLE_SECONDS:.0f} s in which nothing happens while {TASKS:,}"
        f" tasks that start nothing run on {bench_control.AGENTS} agents, and its resident memory then. On a cluster"
        f" with one agent, the same of an executor that has {CONTAINERS} real containers, and after they have been"
        " removed."
    ),
    run=run,
    limit_seconds=600,
)
