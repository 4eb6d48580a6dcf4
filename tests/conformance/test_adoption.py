"""Containers outlive their executor: on real Mesos, ZooKeeper and Docker, with the real scheduler."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from framework.local.cluster import Cluster
from tests.kit.cli import Cli, containers, eventually
from tests.kit.cluster import NewCluster, running_cluster
from tests.kit.executors import WEB, kill_executors, running

pytestmark = [pytest.mark.cluster, pytest.mark.docker, pytest.mark.zookeeper]

SLEEP = """
services:
  sleep:
    image: framework-demo/busybox:1
    command: sleep 600
    stop: {signal: SIGKILL}
    resources: {cpus: 0.1, memory: 16M}
    constraints: [hostname LIKE agent3]
    instances: 12
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, images: None) -> Iterator[Cluster]:
    flags = {"executor-idle": "5s"}
    with running_cluster(tmp_path_factory.mktemp("adoption"), schedulers=1, scheduler_flags=flags) as cluster:
        yield cluster


@pytest.fixture
def cli(cluster: Cluster) -> Iterator[Cli]:
    cli = Cli(cluster.url)
    yield cli
    for stack in cli.json("ls")["stacks"]:
        cli.run("remove", stack["name"], "--yes", "--wait", code=None)


@pytest.fixture
def web(cli: Cli, tmp_path: Path) -> list[dict[str, Any]]:
    """Ten tasks with ports, all healthy."""
    (tmp_path / "stack.yml").write_text(WEB)
    cli.run("submit", str(tmp_path / "stack.yml"), "--name", "adopt", "--wait")
    return all_healthy(cli)


def all_healthy(cli: Cli) -> list[dict[str, Any]]:
    tasks = cli.tasks("adopt")
    assert len(tasks) == 10
    assert {(task["state"], task["health"]) for task in tasks} == {("RUNNING", "HEALTHY")}, tasks
    return tasks


class Visitor:
    """Asks endpoints again and again, and remembers what went wrong."""

    def __init__(self, endpoints: list[str]) -> None:
        self._endpoints = endpoints
        self._is_over = False
        self.asked = 0
        self.failures: list[str] = []
        self._thread = threading.Thread(target=self._visit)

    def __enter__(self) -> Visitor:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        self._thread.join()

    def _visit(self) -> None:
        while not self._is_over:
            for endpoint in self._endpoints:
                connection = http.client.HTTPConnection(endpoint, timeout=5)
                try:
                    connection.request("GET", "/")
                    answer = connection.getresponse()
                    answer.read()
                    if answer.status != http.client.OK:
                        self.failures.append(f"{endpoint}: {answer.status}")
                except OSError as error:
                    self.failures.append(f"{endpoint}: {error!r}")
                finally:
                    connection.close()
                self.asked += 1
            time.sleep(0.02)


def check_adopted(cli: Cli, before: list[dict[str, Any]], began: dict[str, str], agent: str) -> None:
    """All desired tasks run once, in the same containers; those of the agent under new ids."""

    def is_back() -> bool:
        tasks = cli.tasks("adopt")
        ids = {task["id"] for task in tasks}
        gone = {task["id"] for task in before if task["agent"] == agent}
        ready = [task for task in tasks if (task["state"], task["health"]) == ("RUNNING", "HEALTHY")]
        return len(ready) == len(tasks) == 10 and not ids & gone

    eventually(is_back, f"the tasks of {agent} run again", 60)
    after = all_healthy(cli)
    assert running("adopt") == began
    assert containers("adopt") == sorted(task["id"] for task in after)
    assert {(task["slot"], task["agent"], *task["endpoints"]) for task in after} == {
        (task["slot"], task["agent"], *task["endpoints"]) for task in before
    }
    assert {task["id"] for task in before if task["agent"] != agent} <= {task["id"] for task in after}


def test_a_killed_executor_restarts_no_container(cli: Cli, cluster: Cluster, web: list[dict[str, Any]]) -> None:
    began = running("adopt")
    with Visitor([endpoint for task in web for endpoint in task["endpoints"]]) as visitor:
        for agent in ("agent1", "agent2"):
            before = all_healthy(cli)
            kill_executors(cluster, agent)
            check_adopted(cli, before, began, agent)
    assert visitor.asked > 100
    assert visitor.failures == []


def test_executor_and_scheduler_killed_together_restart_no_container(
    cli: Cli, cluster: Cluster, web: list[dict[str, Any]]
) -> None:
    began = running("adopt")
    scheduler = cluster.daemon("scheduler1")
    with Visitor([endpoint for task in web for endpoint in task["endpoints"]]) as visitor:
        scheduler.kill(signal.SIGKILL)
        kill_executors(cluster, "agent1")
        scheduler.start()
        eventually(lambda: cli.run("ls", code=None).returncode == 0, "the scheduler leads again", 60)
        check_adopted(cli, web, began, "agent1")
    assert visitor.failures == []


def test_an_adopted_container_is_watched_logged_and_stopped_as_any_other(
    cli: Cli, cluster: Cluster, web: list[dict[str, Any]]
) -> None:
    began = running("adopt")
    kill_executors(cluster, "agent2")
    check_adopted(cli, web, began, "agent2")
    victim = next(task for task in cli.tasks("adopt") if task["agent"] == "agent2")
    with contextlib.closing(docker.APIClient(version="auto")) as client:
        client.kill(victim["id"])

    def is_followed() -> bool:
        tasks = cli.tasks("adopt")
        return len(tasks) == 10 and victim["id"] not in {task["id"] for task in tasks if task["health"] == "HEALTHY"}

    eventually(is_followed, "the end is noticed")
    eventually(lambda: {task["health"] for task in cli.tasks("adopt")} == {"HEALTHY"}, "another has taken its slot")
    assert len(running("adopt")) == 10
    cli.run("remove", "adopt", "--yes", "--wait")
    assert containers("adopt") == []


def test_an_executor_killed_while_it_starts_containers_leaves_none_twice(
    cli: Cli, cluster: Cluster, tmp_path: Path
) -> None:
    (tmp_path / "stack.yml").write_text(SLEEP)
    cli.run("submit", str(tmp_path / "stack.yml"), "--name", "begun")
    eventually(lambda: containers("begun"), "the first containers are made", 60)
    kill_executors(cluster, "agent3")

    def is_as_desired() -> bool:
        tasks = cli.tasks("begun")
        is_running = len(tasks) == 12 and {task["state"] for task in tasks} == {"RUNNING"}
        return is_running and containers("begun") == sorted(task["id"] for task in tasks)

    eventually(is_as_desired, "twelve tasks run, each in one container", 90)
    running("begun")


KEPT = """
services:
  kept:
    image: framework-demo/busybox:1
    command: sleep 600
    stop: {signal: SIGKILL}
    resources: {cpus: 0.1, memory: 16M}
    unreachable: {replace_after: 2s, keep: original}
"""


def test_the_original_is_kept_when_its_agent_is_back(new_cluster: NewCluster, images: None, tmp_path: Path) -> None:
    cluster = new_cluster(schedulers=1, master_flags={"agent_ping_timeout": "1secs", "max_agent_ping_timeouts": 2})
    cli = Cli(cluster.url)
    (tmp_path / "stack.yml").write_text(KEPT)
    cli.run("submit", str(tmp_path / "stack.yml"), "--name", "kept", "--wait")
    (original,) = cli.tasks("kept")
    began = running("kept")
    agent = cluster.daemon(original["agent"])
    assert agent.pid is not None
    os.kill(agent.pid, signal.SIGSTOP)
    try:
        eventually(lambda: "RUNNING" in {task["state"] for task in others(cli, original)}, "a replacement runs", 60)
    finally:
        os.kill(agent.pid, signal.SIGCONT)
    eventually(lambda: others(cli, original) == [] and cli.tasks("kept"), "the original alone is left", 90)
    (kept,) = cli.tasks("kept")
    assert (kept["id"], kept["state"]) == (original["id"], "RUNNING")
    assert running("kept") == began
    cli.run("remove", "kept", "--yes", "--wait")


def others(cli: Cli, original: dict[str, Any]) -> list[dict[str, Any]]:
    return [task for task in cli.tasks("kept") if task["id"] != original["id"]]
