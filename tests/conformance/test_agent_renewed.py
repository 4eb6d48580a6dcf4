"""An agent that comes back under another id, and agents without any executor: on real Mesos, ZooKeeper and Docker."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from framework.local.cluster import Cluster
from tests.kit.cli import Cli, containers, eventually
from tests.kit.cluster import running_cluster
from tests.kit.executors import WEB, executors_of, kill_executors, renew_agent, running

pytestmark = [pytest.mark.cluster, pytest.mark.docker, pytest.mark.zookeeper]

PROCESSES = """
services:
  sleep:
    command: sleep 8642
    resources: {cpus: 0.05, memory: 16M}
    constraints: [hostname LIKE agent1]
    instances: 3
"""
KICK = re.compile("Closing already existing HTTP connection")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, images: None) -> Iterator[Cluster]:
    flags = {"executor-idle": "5s"}
    with running_cluster(tmp_path_factory.mktemp("renewed"), agents=2, schedulers=1, scheduler_flags=flags) as cluster:
        yield cluster


@pytest.fixture
def cli(cluster: Cluster) -> Iterator[Cli]:
    cli = Cli(cluster.url)
    yield cli
    for stack in cli.json("ls")["stacks"]:
        cli.run("remove", stack["name"], "--yes", "--wait", code=None)


def sleeping() -> int:
    """How many processes of the stack there are."""
    found = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += path.read_bytes().rstrip(b"\0").split(b"\0") == [b"sleep", b"8642"]
        except OSError:
            continue
    return found


def kicks(cluster: Cluster) -> int:
    """How often an agent closed an executor's connection because another came under its id."""
    logs = (path for agent in ("agent1", "agent2") for path in (cluster.directory / agent).glob("*log*"))
    return sum(len(KICK.findall(path.read_text(errors="replace"))) for path in logs if path.is_file())


def is_whole(cli: Cli, stack: str, number: int, before: list[dict[str, Any]], agent: str) -> bool:
    """Whether so many tasks run, those of the agent under other ids than before."""
    tasks = cli.tasks(stack)
    gone = {task["id"] for task in before if task["agent"] == agent}
    return {task["state"] for task in tasks} == {"RUNNING"} and len(tasks) == number and not gone & _ids(tasks)


def _ids(tasks: list[dict[str, Any]]) -> set[str]:
    return {task["id"] for task in tasks}


def test_the_executor_of_the_earlier_id_ends_and_fights_nobody(cli: Cli, cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "stack.yml").write_text(PROCESSES)
    cli.run("submit", str(tmp_path / "stack.yml"), "--name", "plain", "--wait")
    before = cli.tasks("plain")
    (first,) = executors_of(cluster, "agent1")
    renew_agent(cluster, "agent1")
    eventually(lambda: is_whole(cli, "plain", 3, before, "agent1"), "others run under the new id", 60)
    eventually(lambda: first not in executors_of(cluster, "agent1"), "the earlier executor has ended")
    assert len(executors_of(cluster, "agent1")) == 1
    assert sleeping() == 3
    assert kicks(cluster) == 0
    cli.run("remove", "plain", "--yes", "--wait")
    assert sleeping() == 0


def test_containers_of_the_earlier_id_are_taken_over(cli: Cli, cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "stack.yml").write_text(WEB)
    cli.run("submit", str(tmp_path / "stack.yml"), "--name", "adopt", "--wait")
    before, began = cli.tasks("adopt"), running("adopt")
    renew_agent(cluster, "agent1")
    eventually(lambda: is_whole(cli, "adopt", 10, before, "agent1"), "the tasks follow under the new id", 60)
    after = cli.tasks("adopt")
    assert running("adopt") == began, "no container was restarted"
    assert containers("adopt") == sorted(_ids(after))
    assert {(task["slot"], task["agent"], *task["endpoints"]) for task in after} == {
        (task["slot"], task["agent"], *task["endpoints"]) for task in before
    }


def test_a_removed_stack_leaves_no_container_where_no_executor_is(cli: Cli, cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "stack.yml").write_text(WEB)
    cli.run("submit", str(tmp_path / "stack.yml"), "--name", "swept", "--wait")
    for agent in ("agent1", "agent2"):
        kill_executors(cluster, agent)
    cli.run("remove", "swept", "--yes", "--wait")
    assert containers("swept") == []
    assert cli.json("ls")["stacks"] == []
