"""The usage of containers and processes on a real Mesos agent, as their executor reports it over HTTP."""

from __future__ import annotations

import contextlib
import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import docker
import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError
from prometheus_client.parser import text_string_to_metric_families

from discovery.executor_addresses import DIRECTORY, Announcement, announcement_from_json
from executor.archive import ArchiveInfo, build_archive
from framework.local.cluster import Cluster
from framework.local.images import BUSYBOX
from specs.model.stack import Container, MetricsPage, Port
from tests.conformance.executor_kit import MiniScheduler, wait_until
from tests.kit.cluster import running_cluster

pytestmark = [pytest.mark.cluster, pytest.mark.docker, pytest.mark.usefixtures("images")]

MIB = 2**20
SENT = 3 * MIB
HELD = 24 * MIB
PAGE = r'jobs_waiting{queue="a"} 3\njobs_waiting{queue="b"} 4\n# TYPE seconds histogram\nseconds_bucket{le="+Inf"} 1\n'
SERVES = (
    f"mkdir /www; printf '{PAGE}' > /www/metrics; dd if=/dev/zero of=/www/big bs=1M count=3; httpd -f -p 8080 -h /www"
)
PLACE = "/exam/executors"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, images: None) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster"), masters=1, agents=1) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> ArchiveInfo:
    return build_archive(tmp_path_factory.mktemp("archive") / "framework-executor.pyz")


@pytest.fixture(scope="module")
def client(cluster: Cluster) -> Iterator[KazooClient]:
    client = KazooClient(hosts=cluster.zookeeper_address)
    client.start()
    yield client
    client.stop()
    client.close()


@pytest.fixture(scope="module")
def scheduler(cluster: Cluster, archive: ArchiveInfo) -> Iterator[MiniScheduler]:
    arguments = "--idle 2 --reap-after 5 --metrics-interval 1"
    url = f"zk://{cluster.zookeeper_address}/exam"
    scheduler = MiniScheduler(cluster.wait_for_leader().address, archive.path, arguments, endpoints=url)
    yield scheduler
    scheduler.teardown()


@pytest.fixture(scope="module")
def executor(scheduler: MiniScheduler, client: KazooClient) -> Announcement:
    """The executor of five tasks, found by its announcement."""
    tasks = {
        "burns": shell("while :; do :; done"),
        "holds": shell(f"dd if=/dev/zero of=/dev/shm/x bs=1M count={HELD // MIB}; sleep 1000"),
        "dies": shell("dd if=/dev/zero of=/dev/null bs=200M count=1; sleep 1000"),
        "serves": Container(
            image=BUSYBOX,
            command=("sh", "-c", SERVES),
            ports=(Port(name="http", container_port=8080),),
            metrics=MetricsPage(port="http", interval_seconds=1.0),
        ),
        "process": Container(command=("sh", "-c", "while :; do :; done")),
    }
    scheduler.launch(tasks, ports={"serves": [31021]}, mem_mib=64)
    for name in tasks:
        scheduler.wait(name, "TASK_RUNNING")
    wait_until(lambda: announced(client), 30, lambda: "an announcement")
    return announced(client)[0]


def shell(command: str) -> Container:
    return Container(image=BUSYBOX, command=("sh", "-c", command))


def announced(client: KazooClient) -> list[Announcement]:
    found = []
    with contextlib.suppress(NoNodeError):  # also where one goes after it was listed
        for name in client.get_children(PLACE):
            found.append(announcement_from_json(client.get(f"{PLACE}/{name}")[0]))
    return found


def fetched(executor: Announcement, path: str) -> str:
    with urllib.request.urlopen(f"http://{executor.address}:{executor.port}{path}", timeout=10) as answer:
        return str(answer.read().decode())


def usage(executor: Announcement) -> dict[str, dict[str, Any]]:
    """The answer of /v1/usage, by task."""
    plain = json.loads(fetched(executor, "/v1/usage"))
    assert (plain["executor"], plain["agent"]) == (executor.executor, executor.agent)
    return {task["task"]: task for task in plain["tasks"]}


def page(executor: Announcement) -> dict[str, dict[str, float]]:
    """The metrics of tasks in /metrics: values by metric and task."""
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(fetched(executor, "/metrics")):
        for sample in family.samples:
            found.setdefault(sample.name, {})[sample.labels.get("task", "")] = sample.value
    return found


def test_cpu_and_memory_are_those_that_the_engine_knows(scheduler: MiniScheduler, executor: Announcement) -> None:
    engine = docker.APIClient(version="auto")

    def cpu_seconds() -> float:
        return float(engine.stats("burns", stream=False, one_shot=True)["cpu_stats"]["cpu_usage"]["total_usage"]) / 1e9

    before = cpu_seconds()
    # Two measurements later one has been made since.
    at = [page(executor)["framework_executor_measured_at_seconds"][""]]
    wait_until(lambda: note(at, executor) == 3, 20, lambda: at)
    said = page(executor)["framework_container_cpu_seconds_total"]["burns"]
    assert before <= said <= cpu_seconds()
    found = usage(executor)
    assert set(found) == {"burns", "holds", "dies", "serves", "process"}
    assert found["holds"]["cpus"] < min(found[name]["cpus"] for name in ("burns", "process"))
    assert HELD <= found["holds"]["mem_bytes"] < HELD + 8 * MIB
    assert found["holds"]["mem_limit_bytes"] == 64 * MIB
    assert found["process"]["mem_limit_bytes"] is None
    assert 0 < found["process"]["mem_bytes"] < 8 * MIB
    assert {name: found[name]["oom_kills"] for name in ("dies", "holds")} == {"dies": 1, "holds": 0}


def note(at: list[float], executor: Announcement) -> int:
    """How many different times of measuring were seen."""
    now = page(executor)["framework_executor_measured_at_seconds"][""]
    if now != at[-1]:
        at.append(now)
    return len(at)


def test_bytes_sent_and_a_tasks_own_metrics(executor: Announcement) -> None:
    with urllib.request.urlopen(f"http://{executor.address}:31021/big", timeout=10) as answer:
        assert len(answer.read()) == SENT
    wait_until(lambda: usage(executor)["serves"]["net_tx_bytes"] > SENT, 20, lambda: usage(executor)["serves"])
    assert SENT < usage(executor)["serves"]["net_tx_bytes"] < 2 * SENT
    assert usage(executor)["burns"]["net_tx_bytes"] < MIB
    wait_until(lambda: usage(executor)["serves"]["metrics"], 20, lambda: usage(executor)["serves"])
    assert usage(executor)["serves"]["metrics"] == {"jobs_waiting": 7.0}
    found = page(executor)
    assert found["framework_scrape_up"] == {"serves": 1.0}
    assert found["seconds_bucket"] == {"serves": 1.0}


def test_an_executor_that_ends_is_not_announced_any_more(
    scheduler: MiniScheduler, client: KazooClient, executor: Announcement
) -> None:
    assert executor.hostname and executor.port
    assert client.get_children(PLACE) == [f"{executor.executor}@{executor.agent}"]
    assert PLACE.endswith(DIRECTORY)
    for name in ("burns", "holds", "dies", "serves", "process"):
        scheduler.kill(name, grace_seconds=0)
    wait_until(lambda: not announced(client), 40, lambda: announced(client))
