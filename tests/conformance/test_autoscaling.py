"""A group scaled by its load on real Mesos and Docker; what users and Prometheus are told of it meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from framework.local.cluster import Cluster
from tests.kit.cli import Cli, eventually
from tests.kit.cluster import running_cluster

pytestmark = [pytest.mark.cluster, pytest.mark.docker, pytest.mark.zookeeper]

BURN = "while :; do if [ -f /load/burn ]; then timeout 1 yes > /dev/null; else sleep 1; fi; done"
"""On a busy machine even an idle loop must not use what counts as load."""
STACK = """\
services:
  web:
    image: framework-demo/busybox:1
    command: [sh, -c, "{burn}"]
    volumes: ["{directory}:/load:ro"]
    resources: {{cpus: 0.05, memory: 16M}}
    stop: {{grace: 1s}}
    autoscale: {{min: 1, max: 3, cpu: 100%, up_after: 0s, cool_down: 4s}}
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, images: None) -> Iterator[Cluster]:
    flags = {"metrics-interval": "2s"}
    directory = tmp_path_factory.mktemp("autoscaling")
    with running_cluster(directory, agents=2, schedulers=2, scheduler_flags=flags) as cluster:
        yield cluster


def test_a_group_grows_under_load_and_shrinks_after_it(cluster: Cluster, tmp_path: Path) -> None:
    cli = Cli(cluster.url)
    (tmp_path / "burn").touch()
    (tmp_path / "stack.yml").write_text(STACK.format(burn=BURN, directory=tmp_path))
    cli.run("submit", str(tmp_path / "stack.yml"), "--name", "load", "--wait")
    eventually(lambda: _ready(cli) == 3, "three tasks are ready under load", 90)
    assert "scaled from 1 to 3 by autoscale: cpu" in cli.run("events").stdout
    again = cli.run("submit", str(tmp_path / "stack.yml"), "--name", "load")
    assert "unchanged" in again.stdout + again.stderr
    refused = cli.run("scale", "load", "4", code=1)
    assert "load/web is scaled by its load, from 1 to 3" in refused.stderr
    _is_told(cli, cluster)
    (tmp_path / "burn").unlink()
    eventually(lambda: _ready(cli) == 1, "one task is left without load", 90)
    assert "load/web is scaled by its load (1 to 3 tasks, cpu 100 %): " in cli.run("ps", "load").stderr
    cli.run("remove", "load", "--yes", "--wait")


def _ready(cli: Cli) -> int:
    (group,) = cli.json("info", "load")["groups"]
    return int(group["ready"]) if group["ready"] == group["live"] else -1


def _is_told(cli: Cli, cluster: Cluster) -> None:
    """By `top`, and to Prometheus: where executors and schedulers are, and what each scheduler says of itself."""
    eventually(lambda: len(cli.json("top", "load")["tasks"]) == 3, "all three tasks are measured", 30)
    lines = cli.run("top", "load", "--once", "--by", "group").stdout.splitlines()
    assert lines[1].split()[:2] == ["load/web", "3"]
    targets = requests.get(f"{cluster.url}/v1/prometheus/targets", timeout=10).json()
    by_job: dict[str, list[str]] = {}
    for each in targets:
        by_job.setdefault(each["labels"]["job"], []).extend(each["targets"])
    assert len(by_job["framework-schedulers"]) == 2
    leads = []
    for address in by_job["framework-schedulers"]:
        samples = _samples(address)
        leads.append(samples["framework_scheduler_is_leader"])
        assert samples["framework_scheduler_subscribed"] == leads[-1]
    assert sorted(leads) == [0, 1]
    tasks = [_samples(address)["framework_executor_tasks"] for address in by_job["framework-executors"]]
    assert sum(tasks) == 3


def _samples(address: str) -> dict[str, float]:
    """The page at an address as Prometheus's own parser reads it: sums over labels, by name."""
    sums: dict[str, float] = {}
    for family in text_string_to_metric_families(requests.get(f"http://{address}/metrics", timeout=10).text):
        for sample in family.samples:
            sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
    return sums
