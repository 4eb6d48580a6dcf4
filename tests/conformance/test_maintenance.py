"""Planned maintenance on a real cluster: an agent is left before its window begins, with each replacement first."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from framework.local.cluster import Cluster
from tests.kit.cli import Cli, eventually
from tests.kit.cluster import running_cluster

pytestmark = [pytest.mark.cluster, pytest.mark.docker, pytest.mark.zookeeper]

WEB = """\
services:
  web:
    image: framework-demo/busybox:1
    command: sleep 3600
    init: true
    stop: {grace: 2s}
    instances: 4
    resources: {cpus: 0.05, memory: 16M}
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, images: None) -> Iterator[Cluster]:
    directory = tmp_path_factory.mktemp("maintenance")
    with running_cluster(directory, agents=2, schedulers=1, scheduler_flags={"agents-interval": "2s"}) as cluster:
        yield cluster


def operate(cluster: Cluster, kind: str, **content: Any) -> Any:
    """A call of the operator API to the leading master; returns its answer."""
    request = urllib.request.Request(
        f"http://{cluster.wait_for_leader().address}/api/v1",
        json.dumps({"type": kind, kind.lower(): content} if content else {"type": kind}).encode(),
        {"Content-Type": "application/json", "Accept": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        body = answer.read()
    return json.loads(body) if body else None


def test_an_agent_is_left_before_its_maintenance_with_the_replacement_first(cluster: Cluster, tmp_path: Path) -> None:
    cli = Cli(cluster.url)
    path = tmp_path / "web.yml"
    path.write_text(WEB, encoding="utf-8")
    cli.run("submit", str(path), "--name", "kept", "--wait", "--timeout", "90s")
    left = cli.tasks("kept")[0]["agent"]
    line = next(line for line in cli.json("agents")["agents"] if line["hostname"] == left)
    before = {task["id"] for task in cli.tasks("kept") if task["agent"] != left}
    begin = (int(time.time()) + 300) * 10**9
    machine = {"hostname": left, "ip": line["address"].partition(":")[0]}
    window = {"machine_ids": [machine], "unavailability": {"start": {"nanoseconds": begin}}}
    operate(cluster, "UPDATE_MAINTENANCE_SCHEDULE", schedule={"windows": [window]})
    fewest = 4

    def is_left() -> bool:
        nonlocal fewest
        tasks = cli.tasks("kept")
        fewest = min(fewest, sum(task["state"] == "RUNNING" and task["goal"] == "RUN" for task in tasks))
        return len(tasks) == 4 and all(task["agent"] != left for task in tasks)

    eventually(is_left, "nothing of ours runs on the agent that is to be maintained", seconds=90)
    assert fewest == 4, "four ran at every moment"
    assert before <= {task["id"] for task in cli.tasks("kept")}, "the others were not touched"

    def is_agreed() -> bool:
        status = operate(cluster, "GET_MAINTENANCE_STATUS")["get_maintenance_status"]["status"]
        answers = [each for one in status.get("draining_machines", ()) for each in one.get("statuses", ())]
        return any(each["status"] == "ACCEPT" for each in answers)

    eventually(is_agreed, "Mesos knows that we have left", seconds=60)
    operate(cluster, "UPDATE_MAINTENANCE_SCHEDULE", schedule={"windows": []})
    cli.run("remove", "kept", "--yes", "--wait")
