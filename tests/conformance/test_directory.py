"""The directory over a real ZooKeeper: in step with what executors publish, whatever becomes of connections."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest

from discovery.backends.zookeeper import ZooKeeper
from discovery.endpoints import Endpoint, path_of
from discovery.readers.directory import Directory, Snapshot
from framework.local.daemon import Daemon
from specs.ids import TaskId, group_id
from tests.conformance.executor_kit import wait_until
from tests.conformance.registry_kit import SESSION_SECONDS, InZooKeeper, end_session, endpoint, withdraw
from tests.kit.cluster import running_zookeeper

pytestmark = pytest.mark.zookeeper


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with running_zookeeper(tmp_path_factory.mktemp("zookeeper")) as server:
        yield server


@pytest.fixture
def zookeeper(request: pytest.FixtureRequest, server: Daemon) -> Iterator[InZooKeeper]:
    back_end = InZooKeeper(server, f"/{request.node.name}")
    yield back_end
    back_end.close()


@pytest.fixture
def directory(zookeeper: InZooKeeper) -> Iterator[Directory]:
    directory = Directory(zookeeper.url, session_seconds=SESSION_SECONDS)
    yield directory
    directory.close()


def of(service: str, slot: int, labels: tuple[str, ...] = ()) -> Endpoint:
    group = group_id("shop", service, labels)
    return replace(endpoint(), group=group, slot=slot, task_id=TaskId(f"{group.dotted}.{slot}.{slot}"))


def wait_found(directory: Directory, *wanted: Endpoint) -> None:
    """Until the directory holds just these."""
    wait_until(lambda: directory.snapshot.serial and listed(directory) == list(wanted), 30, lambda: listed(directory))


def listed(directory: Directory) -> list[Endpoint]:
    return [each for endpoints in directory.snapshot.groups.values() for each in endpoints]


def test_it_follows_every_group_from_before_the_first_endpoint_on(zookeeper: InZooKeeper) -> None:
    told: list[Snapshot] = []
    directory = Directory(zookeeper.url, told.append)
    assert directory.wait(30).groups == {}, "what is not there yet is empty, and known to be"
    registry = zookeeper.publisher()
    web, dev, auth = [of("web", slot) for slot in range(20)], of("web", 1, ("dev", "frontend")), of("auth", 0)
    for each in reversed([auth, *web, dev]):
        registry.publish(each)
    wait_found(directory, auth, *web, dev)
    changed = replace(auth, addresses=("172.17.0.9",))
    registry.publish(changed)
    wait_found(directory, changed, *web, dev)
    for each in [*web, changed]:
        withdraw(registry, each.task_id)
    wait_found(directory, dev)
    assert [each.serial for each in told] == list(range(1, len(told) + 1)), "each change is told once, in order"
    assert directory.wait(30, after=told[-1].serial - 1) == told[-1] == directory.snapshot
    directory.close()


def test_what_is_no_endpoint_is_told_once_and_passed_over(
    zookeeper: InZooKeeper, directory: Directory, caplog: pytest.LogCaptureFixture
) -> None:
    zookeeper.client.create(zookeeper.root + path_of(group_id("shop", "web"), TaskId("odd")), b"{", makepath=True)
    registry = zookeeper.publisher()
    for slot in range(3):
        registry.publish(of("web", slot))
        wait_found(directory, *(of("web", each) for each in range(slot + 1)))
    assert caplog.text.count("shop/web/_/odd is passed over") == 1


def test_it_is_in_step_again_after_a_session_and_after_a_server_came_to_an_end(
    zookeeper: InZooKeeper, directory: Directory, server: Daemon
) -> None:
    registry, one, two, three = zookeeper.publisher(), of("web", 1), of("web", 2), of("web", 3)
    registry.publish(one)
    wait_found(directory, one)
    end_session(zookeeper, directory._watching)
    registry.publish(two)
    wait_found(directory, one, two)
    server.kill()
    registry.publish(three)
    withdraw(registry, one.task_id)
    wait_until(lambda: directory.is_away, 60, lambda: "not away")
    assert listed(directory) == [one, two], "what was last known stays"
    server.start().wait()
    wait_found(directory, one, two, three)
    assert not directory.is_away
    wait_found(directory, two, three)


def test_what_vanishes_with_sessions_that_end_while_the_server_stands_still_is_never_missed(
    zookeeper: InZooKeeper, directory: Directory, server: Daemon
) -> None:
    registry, endpoints = zookeeper.publisher(), [of("web", slot) for slot in range(3)]
    for each in endpoints:
        registry.publish(each)
    wait_found(directory, *endpoints)
    session = registry.tree.client.client_id
    serial = directory.snapshot.serial
    server.kill(signal.SIGSTOP)
    wait_until(lambda: directory.is_away, 60, lambda: "not away")
    server.kill(signal.SIGCONT)
    wait_until(lambda: registry.tree.client.connected, 60, lambda: "not connected again")
    if registry.tree.client.client_id == session:
        end_session(zookeeper, registry)  # a server that reads a ping before it looks at its clock lets it live
    wait_until(lambda: is_published_anew(registry, session, zookeeper, endpoints), 60, lambda: "not published anew")
    withdraw(registry, endpoints[0].task_id)
    wait_found(directory, *endpoints[1:])
    assert directory.snapshot.serial == serial + 1, "the withdrawal is all that was told"


def is_published_anew(registry: ZooKeeper, before: object, zookeeper: InZooKeeper, endpoints: list[Endpoint]) -> bool:
    """Whether the publisher has another session than before, and all these nodes are of that."""
    client = registry.tree.client
    if not client.connected or client.client_id == before:
        return False
    found = [zookeeper.client.exists(zookeeper.root + path_of(each.group, each.task_id)) for each in endpoints]
    return all(node is not None and node.ephemeralOwner == client.client_id[0] for node in found)
