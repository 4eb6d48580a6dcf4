"""The cost of measuring containers: an executor that measures, one that does not, and the engine's way."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import docker

from executor.core.order import Order
from executor.core.survey import TaskSnapshot
from executor.core.task import Phase
from executor.metrics.reading import Measuring
from framework.local import images
from framework.local.cluster import Cluster
from specs.ids import AgentId, FrameworkId, TaskId, VersionId, group_id
from specs.model.stack import Container
from tests.bench import bench_launch, machine, subject
from tests.bench.report import Bench, Row
from tests.bench.subject import Subject

CONTAINERS = 100
REST_SECONDS = 15.0
"""Until all have been measured once."""
SECONDS = 60.0
ROUNDS = 3
SERVICE = {name: value for name, value in bench_launch.SERVICE.items() if name != "network_mode"}
RESOURCES = "cpus:8;mem:8192;disk:10000;ports:[31000-31999]"


def run(is_quick: bool) -> list[Row]:
    """Real containers on one agent, with and without metrics; then the two ways of measuring, beside each other."""
    count, rest, seconds = (5, 2.0, 5.0) if is_quick else (CONTAINERS, REST_SECONDS, SECONDS)
    images.build([images.BUSYBOX])
    rows: list[Row] = []
    for interval in ("10s", "0s"):
        with subject.cluster(agents=1, resources=RESOURCES, scheduler_flags={"metrics-interval": interval}) as cluster:
            ours = Subject(cluster)
            stack = subject.one_service("bench", count, SERVICE)
            ours.launch(stack)
            what = f"an executor with {count} containers, " + ("measuring" if interval != "0s" else "not measuring")
            rows += _executor(cluster, what, rest, seconds)
            if interval != "0s":
                rows += _ways(count)
            ours.remove(stack)
    return rows


def _executor(cluster: Cluster, what: str, rest: float, seconds: float) -> Iterator[Row]:
    time.sleep(rest)
    pids = machine.executors(cluster)
    before = machine.usage(pids)
    time.sleep(seconds)
    after = machine.usage(pids)
    yield Row(name=what, figure=(after.cpu_seconds - before.cpu_seconds) / seconds * 100, unit="% of a core")
    yield Row(name=f"{what}: memory", figure=after.resident_mib, unit="MiB")


def _ways(count: int) -> Iterator[Row]:
    """A round by the kernel's files and one by the engine's statistics: this process's cpu and the engine's."""
    tasks = _running()
    measuring, asking = Measuring(), Measuring(by_kernel=False)
    for each in (measuring, asking):
        each.measure(tasks)  # finds out where each is
    own, _, took = _cost(measuring, tasks)
    yield Row(name=f"a round of {count} by the kernel's files: cpu", figure=own * 1000, unit="ms")
    yield Row(name="the same in time", figure=took * 1000, unit="ms")
    asked, engines, took = _cost(asking, tasks)
    ratio = (asked + engines) / own if own else None
    yield Row(
        name="by the engine's statistics: cpu, the engine's too",
        figure=(asked + engines) * 1000,
        unit="ms",
        ratio=ratio,
    )
    yield Row(name="the same in time", figure=took * 1000, unit="ms")


def _cost(measuring: Measuring, tasks: Sequence[TaskSnapshot]) -> tuple[float, float, float]:
    """Of a round, in seconds: our cpu, the engine's, and the time that it took."""
    began_at, own, engines = time.monotonic(), time.process_time(), _engines_cpu()
    for _ in range(ROUNDS):
        found = measuring.measure(tasks)
        if len(found) != len(tasks):
            raise ValueError(f"wanted {len(tasks)} measured, got {len(found)}")
    spent = (time.process_time() - own, _engines_cpu() - engines, time.monotonic() - began_at)
    return (spent[0] / ROUNDS, spent[1] / ROUNDS, spent[2] / ROUNDS)


def _engines_cpu() -> float:
    """Seconds that the engine has used, and what runs its containers."""
    pids = []
    for path in Path("/proc").glob("[0-9]*/comm"):
        try:
            if path.read_text().startswith(("dockerd", "containerd")):
                pids.append(int(path.parent.name))
        except OSError:  # It has ended.
            continue
    return machine.usage(pids).cpu_seconds


def _running() -> list[TaskSnapshot]:
    client = docker.APIClient(version="auto")
    rows = client.containers(filters={"label": "framework.stack=bench"})
    client.close()
    return [
        TaskSnapshot(
            order=Order(
                task_id=TaskId(row["Labels"]["framework.task_id"]),
                group=group_id("bench", "task"),
                slot=0,
                attempt=1,
                version=VersionId(""),
                container=Container(image="a"),
                cpus_milli=50,
                mem_mib=32,
                disk_mib=0,
                gpus=0,
                host_ports=(),
                address="",
                hostname="",
                framework_id=FrameworkId(""),
                agent_id=AgentId(""),
            ),
            phase=Phase.RUNNING,
            container_id=row["Id"],
            pid=0,
            started_at=0.0,
            is_healthy=None,
            is_ready=None,
        )
        for row in rows
    ]


BENCH = Bench(
    name="metrics",
    title="Metrics",
    method=(
        f"{CONTAINERS} containers (busybox, bridge network) on one agent: the CPU time of their executor over"
        f" {SECONDS:.0f} s and its resident memory, once with a measurement every 10 s and once without any. Then a"
        " round of measuring them all, by the kernel's files and by the engine's statistics: the CPU time of who"
        f" measures and, for the latter, of dockerd and containerd; the mean of {ROUNDS} rounds."
    ),
    run=run,
    limit_seconds=900,
)
