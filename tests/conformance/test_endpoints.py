"""Endpoints of containers on a real Mesos agent, in a real ZooKeeper: there when they are ready, gone before TERM."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kazoo.client import KazooClient

from discovery.backends.consul import endpoint_of
from discovery.backends.theseus.driver import EtcdDriver
from discovery.endpoints import Endpoint, EndpointPort, endpoint_from_json
from executor.archive import ArchiveInfo
from framework.local.cluster import Cluster
from framework.local.images import BUSYBOX
from specs.ids import FrameworkId, TaskId, VersionId, group_id
from specs.model.stack import CheckKind, Container, HealthCheck, Hook, Port, Stop
from tests.conformance.executor_kit import MiniScheduler, log, mini_scheduler, wait_until
from tests.kit.cli import Cli, eventually
from tests.kit.cluster import NewCluster, running_cluster
from tests.kit.consul import Contract, serving_contract
from tests.kit.etcd import running_etcd
from tests.kit.executors import WEB, kill_executors, running

pytestmark = [pytest.mark.cluster, pytest.mark.docker, pytest.mark.usefixtures("images")]

PARENT = "/exam/endpoints/test/unit/_"
TRAPS = "trap 'cat /proc/uptime; exit 0' TERM; mkdir /www; httpd -p 8080 -h /www; echo up; while :; do sleep .1; done"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, images: None) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster"), masters=1, agents=1) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a second place."""
    with running_etcd(tmp_path_factory.mktemp("etcd")) as server:
        yield f"etcd://{server.address}/exam"


@pytest.fixture(scope="module")
def consul() -> Iterator[Contract]:
    """A third: not a Consul, but what one is documented to be."""
    with serving_contract() as contract:
        yield contract


@pytest.fixture
def client(cluster: Cluster) -> Iterator[KazooClient]:
    client = KazooClient(hosts=cluster.zookeeper_address)
    client.start()
    client.ensure_path(PARENT)
    yield client
    client.stop()
    client.close()


@pytest.fixture
def scheduler(cluster: Cluster, archive: ArchiveInfo, etcd: str, consul: Contract) -> Iterator[MiniScheduler]:
    places = f"zk://{cluster.zookeeper_address}/exam {etcd} consul://{consul.address}"
    with mini_scheduler(cluster, archive, places) as scheduler:
        yield scheduler


def web(**settings: object) -> Container:
    check = HealthCheck(kind=CheckKind.HTTP, port="http", path="/ready", interval_seconds=0.5, codes=((200, 200),))
    plain: dict[str, object] = {"ready": check, "stop": Stop(grace_seconds=20.0)} | settings
    return Container(
        image=BUSYBOX,
        command=("sh", "-c", TRAPS),
        ports=(Port(name="http", container_port=8080),),
        **plain,  # type: ignore[arg-type]
    )


UPTIME_STEP = 0.01
"""The precision that /proc/uptime leaves out."""
READY = Hook(command=("sh", "-c", "until [ -d /www ]; do sleep 0.05; done; touch /www/ready"))


def names(client: KazooClient) -> list[str]:
    found: list[str] = sorted(client.get_children(PARENT))
    return found


def uptime() -> float:
    """Seconds on the clock that containers see, too."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def wait_names(client: KazooClient, *wanted: str) -> None:
    """Until just these tasks can be found."""
    wait_until(lambda: names(client) == sorted(wanted), 40, lambda: names(client))


def test_two_services_are_found_when_they_are_ready_and_not_any_more_when_they_are_told_to_stop(
    scheduler: MiniScheduler, client: KazooClient, etcd: str, consul: Contract
) -> None:
    driver = EtcdDriver(etcd, "test")
    gone: dict[str, float] = {}
    scheduler.launch({"one": web(post_start=(READY,)), "two": web()}, ports={"one": [31011], "two": [31012]})
    wait_names(client, "one")
    found = endpoint_from_json(client.get(f"{PARENT}/one")[0])
    address = scheduler.of("one")[0]
    assert found == Endpoint(
        group=group_id("test", "unit"),
        slot=1,
        task_id=TaskId("one"),
        version=VersionId("0123456789ab"),
        hostname=found.hostname,
        address=found.address,
        ports=(EndpointPort(name="http", number=31011, container_port=8080),),
        addresses=found.addresses,
        since=found.since,
        framework=FrameworkId(scheduler.framework_id),
    )
    assert found.addresses, address
    wait_until(lambda: driver.get_service_containers("unit") == ["one"], 20, lambda: driver.get_service_names())
    info = driver.get_container_info("unit", "_", "one")
    assert (info["instance_host"], info["instance_port"]) == (found.address, 31011)
    wait_until(lambda: "1.unit.test" in consul.passing(), 20, lambda: consul.services)
    assert endpoint_of(consul.passing()["1.unit.test"]) == found
    scheduler.wait("two", "TASK_RUNNING")
    assert names(client) == ["one"], "what is not ready is not found"
    client.exists(f"{PARENT}/one", watch=lambda event: gone.setdefault(event.path, uptime()))
    wait_until(lambda: "up" in log(scheduler, "one"), 20, lambda: log(scheduler, "one"))
    scheduler.kill("one")
    scheduler.wait("one", "TASK_KILLED")
    said = log(scheduler, "one")
    assert gone[f"{PARENT}/one"] < float(said[-1].split()[0]) + UPTIME_STEP, "gone before TERM came"
    assert names(client) == []
    assert driver.get_service_names() == [], "it was waited for all places"
    assert "1.unit.test" not in consul.passing()


def test_the_next_executor_publishes_what_it_adopts_of_a_killed_one_and_nothing_else_stays(
    new_cluster: NewCluster, images: None, tmp_path: Path
) -> None:
    cluster = new_cluster(schedulers=1, agents=1)
    cli = Cli(cluster.url)
    (tmp_path / "stack.yml").write_text(WEB)
    cli.run("submit", str(tmp_path / "stack.yml"), "--name", "adopt", "--wait")
    began, before = running("adopt"), cli.tasks("adopt")
    client = KazooClient(hosts=cluster.zookeeper_address)
    client.start()
    (root,) = [name for name in client.get_children("/") if client.exists(f"/{name}/endpoints")]
    parent = f"/{root}/endpoints/adopt/web/_"
    assert published(client, parent) == by_task(before)
    assert by_task(cli.json("endpoints", "adopt")["endpoints"]) == by_task(before)
    kill_executors(cluster, "agent1")

    def is_back() -> bool:
        tasks = by_task(cli.json("endpoints", "adopt")["endpoints"])
        return len(tasks) == 10 and not tasks.keys() & by_task(before).keys() and published(client, parent) == tasks

    eventually(is_back, "just the adopted containers can be found", 90)
    assert running("adopt") == began
    cli.run("remove", "adopt", "--yes", "--wait")
    assert published(client, parent) == {}
    client.stop()
    client.close()


def published(client: KazooClient, parent: str) -> dict[str, list[str]]:
    """Addresses and ports by task."""
    found = [endpoint_from_json(client.get(f"{parent}/{name}")[0]) for name in client.get_children(parent)]
    return {each.task_id: [f"{each.address}:{port.number}" for port in each.ports] for each in found}


def by_task(lines: list[dict[str, Any]]) -> dict[str, list[str]]:
    """The same as the scheduler tells it."""
    return {line["id"]: line["endpoints"] for line in lines}
