"""A stack is changed, and gone back to, on real Mesos; and another scheduler knows all of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from framework.local.cluster import Cluster
from tests.kit.cli import Cli, eventually
from tests.kit.cluster import running_cluster

pytestmark = [pytest.mark.cluster, pytest.mark.zookeeper]

STACK = """\
name: hist
services:
  web: {command: [sleep, "SECONDS"], instances: 2, resources: {cpus: 0.05, memory: 16M}, stop: {grace: 1s}}
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("history"), agents=1, schedulers=1) as cluster:
        yield cluster


def test_a_stack_is_gone_back_to_after_a_failover_and_after_its_removal(cluster: Cluster, tmp_path: Path) -> None:
    cli = Cli(cluster.url)
    file = tmp_path / "hist.yml"
    for seconds, message in (("1000", "first"), ("2000", "second")):
        file.write_text(STACK.replace("SECONDS", seconds))
        cli.run("submit", str(file), "-m", message, "--wait")
    cli.run("scale", "hist/web", "3", "--wait")
    assert '["sleep", "2000"] -> ["sleep", "1000"]' in cli.run("diff", "hist", "hist@1").stdout
    cluster.daemon("scheduler1").kill()
    cluster.daemon("scheduler1").start()
    eventually(lambda: cli.run("history", "hist", code=None).returncode == 0, "the next leader answers")
    assert "back to 1 (submit by " in cli.run("rollback", "hist", "-m", "worse", "--wait").stdout
    tasks = cli.tasks("hist")
    assert len(tasks) == 3, "what was scaled is kept"
    cli.run("kill", tasks[1]["id"], "--scale")
    eventually(lambda: {task["slot"] for task in cli.tasks("hist")} == {0, 2}, "just that slot is given up")
    cli.run("remove", "hist", "--yes", "--wait")
    cli.run("rollback", "hist", "--wait")
    told = cli.json("history", "hist")["revisions"]
    assert [line["command"] for line in told] == ["submit", "submit", "scale", "rollback", "kill", "remove", "rollback"]
    assert [line["message"] for line in told[:4]] == ["first", "second", "", "worse"]
    assert len(cli.tasks("hist")) == 3
    cli.run("remove", "hist", "--yes", "--wait")
