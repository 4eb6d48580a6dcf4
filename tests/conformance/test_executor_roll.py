"""Tasks move from an older executor to the current one while their containers run on: on real Mesos and Docker."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from kazoo.client import KazooClient

from framework.local.cluster import Cluster
from framework.local.daemon import get_json, http_status
from tests.kit.cli import Cli, containers, eventually
from tests.kit.cluster import running_cluster

pytestmark = [pytest.mark.cluster, pytest.mark.docker, pytest.mark.zookeeper]

STACK = """
services:
  web:
    image: framework-demo/busybox:1
    command: sleep 600
    stop: {signal: SIGKILL}
    resources: {cpus: 0.1, memory: 16M}
    constraints: [hostname GROUP_BY 2]
    instances: 4
  plain:
    command: sleep 600
    resources: {cpus: 0.1, memory: 16M}
"""


class Installed:
    """A scheduler as it is installed, and installed again: each time with executors of another version."""

    def __init__(self, cluster: Cluster, log: Path) -> None:
        self.zookeeper = cluster.zookeeper_address
        self.address = f"{cluster.shape.scheduler_ip(1)}:8080"
        self._log = log
        self._words = ["scheduler", "--zk", f"zk://{cluster.zookeeper_address}/roll", "--master", cluster.master_url]
        self._words += ["--bind", self.address, "--session-timeout", "2s"]
        self._process: subprocess.Popen[bytes] | None = None

    def install(self, *version: str) -> Cli:
        """Ends the one that runs, and starts one with these flags; returns when it leads."""
        self.end()
        with self._log.open("ab") as file:
            command = [sys.executable, "-m", "framework.cli.main", *self._words, *version]
            self._process = subprocess.Popen(command, stdout=file, stderr=file)
        eventually(lambda: http_status(f"http://{self.address}/v1/ready") == 200, "it leads", 60)
        return Cli(f"http://{self.address}")

    def end(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self._process = None


@pytest.fixture
def installed(tmp_path: Path, images: None) -> Iterator[Installed]:
    with running_cluster(tmp_path / "cluster", agents=2) as cluster:
        installed = Installed(cluster, tmp_path / "scheduler.log")
        try:
            yield installed
            Cli(f"http://{installed.address}").run("remove", "*", "--yes", "--wait", code=None)
            id = (get_json(f"http://{installed.address}/v1/info") or {})["framework_id"]
        finally:
            installed.end()
        leader = cluster.leader()
        assert leader is not None
        urllib.request.urlopen(f"http://{leader.address}/teardown", f"frameworkId={id}".encode(), timeout=10).close()


@contextlib.contextmanager
def watched(zookeeper: str) -> Iterator[list[list[str]]]:
    """The slots of the service's endpoints, each time that they changed."""
    seen: list[list[str]] = []
    client = KazooClient(hosts=zookeeper)
    client.start()
    client.ChildrenWatch("/roll/endpoints/roll/web/_", lambda names: seen.append([slot_of(name) for name in names]))
    try:
        yield seen
    finally:
        client.stop()
        client.close()


def slot_of(task: str) -> str:
    """The slot in a task's id."""
    return task.split(".")[-2]


def began() -> dict[str, str]:
    """When each container of the stack began, by its id."""
    with contextlib.closing(docker.APIClient(version="auto")) as client:
        found = [client.inspect_container(name) for name in containers("roll")]
    return {each["Id"]: each["State"]["StartedAt"] for each in found if each["State"]["Running"]}


def by_agent(cli: Cli) -> dict[str, set[bool]]:
    """Whether the executors of each agent are of the current version."""
    found: dict[str, set[bool]] = {}
    for each in cli.json("executor", "ls")["executors"]:
        found.setdefault(each["agent"], set()).add(each["is_current"])
    return found


def of_service(tasks: list[dict[str, Any]], service: str) -> dict[str, str]:
    """The executor of each task of a service."""
    return {task["id"]: task["executor_id"] for task in tasks if task["service"] == service}


def test_tasks_move_to_the_current_executor_and_their_containers_run_on(installed: Installed, tmp_path: Path) -> None:
    cli = installed.install("--executor-operations", "3")
    (tmp_path / "stack.yml").write_text(STACK, encoding="utf-8")
    cli.run("submit", str(tmp_path / "stack.yml"), "--name", "roll", "--wait")
    since, tasks = began(), cli.tasks("roll")
    assert len(since) == 4
    with_process = next(task["agent"] for task in tasks if task["service"] == "plain")
    other = ({"agent1", "agent2"} - {with_process}).pop()
    assert "no executor is to be rolled" in cli.run("executor", "roll").stdout

    with watched(installed.zookeeper) as seen:
        roll_both(installed, since, with_process, other, tasks)
    assert len(seen) > len(tasks), "new tasks took the places of old ones"
    assert all({"0", "1", "2", "3"} <= set(slots) for slots in seen), "each slot could be found at every moment"


def roll_both(
    installed: Installed, since: dict[str, str], with_process: str, other: str, tasks: list[dict[str, Any]]
) -> None:
    """Rolls the executors of both agents, one after the other."""
    cli = installed.install("--executor-operations", "5")
    assert by_agent(cli) == {with_process: {False}, other: {False}}
    said = cli.run("executor", "roll", "--wait").stdout
    assert f"left out, as processes there would be restarted (--processes): {with_process}" in said
    assert by_agent(cli) == {with_process: {False}, other: {True}}
    assert began() == since, "no container was started again"
    assert of_service(cli.tasks("roll"), "plain") == of_service(tasks, "plain")

    cli.run("executor", "roll", "--agent", with_process, "--processes", "--wait")
    assert by_agent(cli) == {with_process: {True}, other: {True}}
    assert began() == since
    after = cli.tasks("roll")
    assert {task["state"] for task in after} == {"RUNNING"}
    assert not of_service(after, "plain").keys() & of_service(tasks, "plain").keys(), "the process was started again"
    assert "no executor is to be rolled" in cli.run("executor", "roll").stdout
