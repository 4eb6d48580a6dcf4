"""dockerd is restarted under running tasks: on real Mesos, with an engine of the test's own."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from framework.local.cluster import Cluster
from tests.kit.cli import Cli, containers, eventually
from tests.kit.cluster import running_cluster
from tests.kit.engine import OwnEngine, own_engine
from tests.kit.executors import executors_of

pytestmark = [pytest.mark.cluster, pytest.mark.docker, pytest.mark.zookeeper]

STACK = """
services:
  sleep:
    image: framework-demo/busybox:1
    command: sleep 600
    network: host
    stop: {signal: SIGKILL}
    resources: {cpus: 0.1, memory: 16M}
    instances: 4
"""


@pytest.fixture
def own() -> Iterator[OwnEngine]:
    with own_engine() as own:
        yield own


@pytest.fixture
def cluster(own: OwnEngine, tmp_path: Path) -> Iterator[Cluster]:
    flags = {"executor_environment_variables": json.dumps(own.environment)}
    with running_cluster(tmp_path / "cluster", agents=1, schedulers=1, agent_flags=flags) as cluster:
        yield cluster


def test_a_restarted_engine_costs_no_executor_and_its_tasks_run_again(
    own: OwnEngine, cluster: Cluster, tmp_path: Path
) -> None:
    """Stopped, it ends its containers; killed, it ends them when it is back: live-restore is off, as by default."""
    cli = Cli(cluster.url)
    (tmp_path / "stack.yml").write_text(STACK)
    cli.run("submit", str(tmp_path / "stack.yml"), "--name", "engine", "--wait")
    executors = executors_of(cluster, "agent1")
    for number in (signal.SIGTERM, signal.SIGKILL):
        before = {task["id"] for task in cli.tasks("engine")}
        assert containers("engine") == sorted(before)
        own.stop(number)
        own.start()

        def is_as_desired(before: set[str] = before) -> bool:
            tasks = cli.tasks("engine")
            is_running = len(tasks) == 4 and {task["state"] for task in tasks} == {"RUNNING"}
            ids = sorted(task["id"] for task in tasks)
            return is_running and not before & set(ids) and containers("engine") == ids

        eventually(is_as_desired, f"all tasks run again after {number.name}", 120)
        assert executors_of(cluster, "agent1") == executors
    cli.run("remove", "engine", "--yes", "--wait")
    assert containers("engine") == []
