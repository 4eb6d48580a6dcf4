"""A framework that Mesos has removed, on a real cluster: its stacks live on under a new framework id."""

from __future__ import annotations

import urllib.request
from pathlib import Path

import pytest

from framework.local.images import BUSYBOX
from tests.kit.cli import Cli, containers, eventually
from tests.kit.cluster import NewCluster

pytestmark = [pytest.mark.cluster, pytest.mark.zookeeper, pytest.mark.docker]

STACK = f"""
services:
  web:
    image: {BUSYBOX}
    command: [sleep, "600"]
    stop: {{signal: SIGKILL}}
    resources: {{cpus: 0.05, memory: 8M}}
    instances: 2
"""


def test_its_stacks_and_their_history_live_on_and_nothing_of_the_old_one_does(
    new_cluster: NewCluster, images: None, tmp_path: Path
) -> None:
    cluster = new_cluster(schedulers=1, agents=2)
    cli, zk, file = Cli(cluster.url), cluster.shape.store_url, str(tmp_path / "store.backup")
    (tmp_path / "stack.yml").write_text(STACK, encoding="utf-8")
    cli.run("submit", str(tmp_path / "stack.yml"), "--name", "anew", "-m", "the first", "--wait")
    old = {task["id"] for task in cli.tasks("anew")}
    assert set(containers("anew")) == old
    (scheduler,) = cluster.of_kind("scheduler")
    id = scheduler.get("/v1/info")["framework_id"]

    leader = cluster.leader()
    assert leader is not None
    urllib.request.urlopen(f"http://{leader.address}/teardown", f"frameworkId={id}".encode(), timeout=10).close()
    eventually(lambda: scheduler.state != "running", "the scheduler ends")
    log = scheduler.log.read_text(errors="replace")
    assert "`framework restore FILE --as-new --replace`" in " ".join(log.split())
    eventually(lambda: containers("anew") == [], "Mesos has ended what ran, and the executors their containers")

    cli.run("backup", file, "--zk", zk)
    done = cli.run("restore", file, "--zk", zk, "--as-new", "--replace", "--yes")
    assert f"What still runs of framework {id}" in done.stderr
    cli.run("store", "check", "--zk", zk)
    scheduler.start().wait()
    tasks = eventually(
        lambda: (ready := cli.tasks("anew")) and all(t["state"] == "RUNNING" for t in ready) and ready, "up"
    )
    assert len(tasks) == 2 and not {task["id"] for task in tasks} & old, "no task id is given twice"
    assert scheduler.get("/v1/info")["framework_id"] not in (None, id)
    assert set(containers("anew")) == {task["id"] for task in tasks}
    assert "the first" in cli.run("history", "anew").stdout
    cli.run("remove", "anew", "--yes", "--wait")
