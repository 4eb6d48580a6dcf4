"""The control plane: tasks that start nothing, on many agents, by the whole system and by a lean client.

    python -m tests.bench.bench_control --lean MASTER --tasks N --agents N --executor URI

is the lean client with our executor, in a process of its own.
"""

from __future__ import annotations

import argparse
import base64
import json
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import orjson

from framework.adapters import codec
from framework.adapters.mesos_config import ExecutorConfig, MesosConfig
from framework.core.commands import Launch
from framework.local.cluster import Cluster
from framework.local.daemon import get_json
from specs.ids import FrameworkId
from specs.records_pb2 import LaunchOrder
from tests.bench import bench_driver, subject
from tests.bench.bench_driver import AMOUNT, CONTAINER
from tests.bench.lean_client import AGENT_ID, TASK_ID, LeanClient
from tests.bench.machine import Usage
from tests.bench.report import Bench, Row, middle
from tests.bench.subject import Subject

AGENTS = 20
RESOURCES = "cpus:16;mem:16384;disk:10000"
SIZES = (1_000, 2_500, 5_000)
AIMED_SIZES = (1_000, 5_000)
NOOP = json.dumps({"FRAMEWORK_EXECUTOR_NOOP": "1"})
SERVICE = {"image": "none", "command": ["true"], "resources": {"cpus": 0.001, "memory": "4M"}}
LEAN_SECONDS = 180
DATA = b"@DATA@"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Of one launch and one removal by the whole system: rates, and CPU seconds by part."""

    launches: float
    kills: float
    launch_cpu: dict[str, float]
    kill_cpu: dict[str, float]


def noop_cluster(agents: int) -> AbstractContextManager[Cluster]:
    """A cluster whose executors start nothing, as a context."""
    flags = {"executor_environment_variables": NOOP}
    return subject.cluster(agents=agents, resources=RESOURCES, agent_flags=flags)


def keep_executors(ours: Subject, agents: int) -> None:
    """One task on each agent, so that executors are there and stay."""
    ours.launch(subject.one_service("keeper", agents, SERVICE))


def run(is_quick: bool) -> list[Row]:
    """Rounds of: every size by ours, then by the lean client with its own executor, and with ours."""
    agents, sizes, rounds = (3, (50, 100), 1) if is_quick else (AGENTS, SIZES, 3)
    aimed = sizes if is_quick else AIMED_SIZES
    found: dict[int, list[Found]] = {size: [] for size in sizes}
    lean: dict[tuple[str, int], list[dict[str, float]]] = {}
    with noop_cluster(agents) as cluster:
        ours = Subject(cluster)
        keep_executors(ours, agents)
        idle = ours.usage()["scheduler"]
        for _ in range(rounds):
            for size in sizes:
                found[size].append(_ours(ours, size))
                if size in aimed:
                    for kind in ("lean", "same"):
                        lean.setdefault((kind, size), []).append(_lean(cluster, kind, size, agents))
        usage = ours.usage()
    rows: list[Row] = []
    for size in aimed:
        rows += _compared(size, found[size], lean["lean", size], lean["same", size])
    for part in ("scheduler", "executors"):
        rows += _per_task(part, found)
    rows += _rest(found[max(sizes)], max(sizes))
    rows += _memory(usage, idle, max(sizes), agents)
    return rows


def _ours(ours: Subject, size: int) -> Found:
    stack = subject.one_service("bench", size, SERVICE)
    before = ours.usage()
    launch_seconds = ours.launch(stack)
    between = ours.usage()
    kill_seconds = ours.remove(stack)
    return Found(
        launches=size / launch_seconds,
        kills=size / kill_seconds,
        launch_cpu=subject.spent(before, between),
        kill_cpu=subject.spent(between, ours.usage()),
    )


def _lean(cluster: Cluster, kind: str, size: int, agents: int) -> dict[str, float]:
    """The lean client's figures, from a process of its own."""
    master = cluster.wait_for_leader().address
    numbers = ["--tasks", str(size), "--agents", str(agents)]
    if kind == "lean":
        words = ["tests.bench.bench_driver", "--client", "lean", "--master", master, *numbers]
    else:
        words = ["tests.bench.bench_control", "--lean", master, "--executor", _executor_uri(master), *numbers]
    answer = subprocess.run(
        [sys.executable, "-m", *words], stdout=subprocess.PIPE, check=True, timeout=LEAN_SECONDS
    ).stdout
    figures: dict[str, float] = json.loads(answer.splitlines()[-1])
    return figures


def _executor_uri(master: str) -> str:
    """The address from which the agents got our executor."""
    state = get_json(f"http://{master}/state", timeout=20)
    return str(
        next(
            executor["command"]["uris"][0]["value"]
            for framework in state["frameworks"]
            for executor in framework["executors"]
        )
    )


class SameExecutorClient(LeanClient):
    """The lean client with tasks that our executor takes: each has an order of its own, and nothing else is built."""

    def __init__(self, master: str, executor_uri: str) -> None:
        executor = ExecutorConfig(uri=executor_uri)
        config = MesosConfig(master=master, executor=executor, name="bench", role="*")
        launch = Launch(
            task=bench_driver.task(TASK_ID.decode(), AGENT_ID.decode()), container=CONTAINER, resources=AMOUNT
        )
        info = codec.TaskWriter(config).task_info(launch, FrameworkId(""))
        self._order = LaunchOrder.FromString(base64.b64decode(info["data"]))
        info["data"] = DATA.decode()
        super().__init__(master, codec.framework_info(config).to_dict(), orjson.dumps(info))

    def _accept(self, offer: str, agent: str, ids: list[str]) -> bytes:
        mine = self._template.replace(AGENT_ID, agent.encode())
        self._order.framework_id, self._order.agent_id = self.framework_id, agent
        infos = []
        for id in ids:
            self._order.task_id = id
            data = base64.b64encode(self._order.SerializeToString())
            infos.append(mine.replace(TASK_ID, id.encode()).replace(DATA, data))
        return (
            b'{"type":"ACCEPT","framework_id":{"value":"%b"},"accept":{"offer_ids":[{"value":"%b"}],'
            b'"operations":[{"type":"LAUNCH","launch":{"task_infos":[%b]}}],"filters":{"refuse_seconds":0}}}'
            % (self.framework_id.encode(), offer.encode(), b",".join(infos))
        )


def measure_same(master: str, executor_uri: str, size: int, agents: int) -> dict[str, float]:
    """The rates of the lean client with our executor, which is started on each agent before."""
    client = SameExecutorClient(master, executor_uri)
    try:
        client.launch("warm", agents, agents)
        launch_seconds = client.launch("task", size, agents)
        return {"launches": size / launch_seconds, "kills": (size + agents) / client.kill()}
    finally:
        client.close()
        data = urllib.parse.urlencode({"frameworkId": client.framework_id}).encode()
        urllib.request.urlopen(f"http://{master}/teardown", data, timeout=30).close()


def _compared(
    size: int, found: list[Found], lean: list[dict[str, float]], same: list[dict[str, float]]
) -> Iterator[Row]:
    for kind, what in (("launches", "submit → all run"), ("kills", "remove → all gone")):
        ours = middle(getattr(each, kind) for each in found)
        yield Row(name=f"{size:,} tasks, {what}", figure=ours, unit="tasks/s")
        for figures, client in ((same, "a lean client, our executor"), (lean, "a lean client, a lean executor")):
            rate = middle(each[kind] for each in figures)
            name = f"{size:,} tasks, {client}; ours to it"
            yield Row(name=name, figure=rate, unit="tasks/s", ratio=ours / rate, at_least=0.85)


def _per_task(part: str, found: dict[int, list[Found]]) -> Iterator[Row]:
    """CPU per task; its ratio to that of the smallest size shows what grows with the square."""
    for attribute, what in (("launch_cpu", "launched"), ("kill_cpu", "removed")):
        first = 0.0
        for size, each in found.items():
            used = middle(getattr(one, attribute)[part] for one in each) / size * 1000
            first = first or used
            name = f"{part}: a task {what}, {size:,} in all; to that at the fewest"
            yield Row(name=name, figure=used, unit="CPU ms", ratio=used / first if first else None)


def _rest(found: list[Found], size: int) -> Iterator[Row]:
    """Other processes that work while tasks are launched."""
    for part in ("master", "agents", "ZooKeeper"):
        used = middle(one.launch_cpu[part] for one in found) / size * 1000
        yield Row(name=f"{part}: a task launched, {size:,} in all", figure=used, unit="CPU ms")


def _memory(usage: dict[str, Usage], idle: Usage, size: int, agents: int) -> Iterator[Row]:
    scheduler, executors = usage["scheduler"], usage["executors"]
    yield Row(name=f"scheduler: most memory, {size:,} tasks", figure=scheduler.peak_mib, unit="MiB")
    more = (scheduler.peak_mib - idle.peak_mib) * 1024 / size
    yield Row(name=f"scheduler: most memory above idle, a task of {size:,}", figure=more, unit="KiB")
    name = f"an executor: most memory, {size // agents:,} tasks each"
    yield Row(name=name, figure=executors.peak_mib / max(executors.count, 1), unit="MiB")


def main() -> None:
    """The lean client in a process of its own: its figures as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--lean", required=True, metavar="MASTER")
    parser.add_argument("--executor", required=True, metavar="URI")
    parser.add_argument("--tasks", type=int, required=True)
    parser.add_argument("--agents", type=int, required=True)
    given = parser.parse_args()
    sys.stdout.write(json.dumps(measure_same(given.lean, given.executor, given.tasks, given.agents)) + "\n")


BENCH = Bench(
    name="control",
    title="The control plane",
    method=(
        f"Tasks that start nothing on {AGENTS} real agents whose executors run already, master, agents, ZooKeeper and"
        " all clients on the same machine: from the submission over HTTP until the last RUNNING is stored, from the"
        " removal until the stack is gone from the store. In turn with it, three times over, on the same cluster, a"
        " lean client that stores nothing launches and kills as many tasks, with our executor and with a lean one"
        " of its own; figures are medians."
    ),
    run=run,
    limit_seconds=1800,
)

if __name__ == "__main__":
    main()
