"""The exam of back ends for endpoints: asked of all alike.

ZooKeeper and etcd are real; of Consul there is a recorded contract only (tests/kit/consul.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from discovery.backends.by_address import parse
from discovery.backends.etcd import Etcd
from discovery.backends.inventory import inventory_at
from discovery.backends.theseus.layout import info_of
from discovery.endpoints import Endpoint, path_of
from discovery.executor_addresses import announcement_path
from framework.local.daemon import Daemon
from specs.ids import TaskId, group_id
from specs.urls import parse_url
from tests.conformance.executor_kit import wait_until
from tests.conformance.registry_kit import (
    SESSION_SECONDS,
    BackEnd,
    InConsul,
    InEtcd,
    InMemory,
    InZooKeeper,
    announcement,
    end_session,
    endpoint,
    withdraw,
)
from tests.kit.cluster import running_zookeeper
from tests.kit.consul import serving_contract
from tests.kit.etcd import running_etcd


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with running_zookeeper(tmp_path_factory.mktemp("zookeeper")) as server:
        yield server


@pytest.fixture
def zookeeper(request: pytest.FixtureRequest, server: Daemon) -> Iterator[InZooKeeper]:
    back_end = InZooKeeper(server, f"/{request.node.name.partition('[')[0]}")
    yield back_end
    back_end.close()


@pytest.fixture(scope="module")
def etcd_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with running_etcd(tmp_path_factory.mktemp("etcd")) as server:
        yield server


@pytest.fixture
def etcd(request: pytest.FixtureRequest, etcd_server: Daemon) -> Iterator[InEtcd]:
    back_end = InEtcd(etcd_server, f"/{request.node.name.partition('[')[0]}")
    yield back_end
    back_end.close()


@pytest.fixture
def consul() -> Iterator[InConsul]:
    with serving_contract() as contract:
        back_end = InConsul(contract)
        yield back_end
        back_end.close()


REAL = pytest.mark.zookeeper
"""Real daemons are wanted: those of a test machine that has ZooKeeper."""


@pytest.fixture(
    params=["memory", "consul", pytest.param("zookeeper", marks=REAL), pytest.param("etcd", marks=REAL)],
)
def back_end(request: pytest.FixtureRequest) -> BackEnd:
    found: BackEnd = InMemory() if request.param == "memory" else request.getfixturevalue(request.param)
    return found


def wait_found(back_end: BackEnd, *wanted: Endpoint) -> None:
    """Until just these are there."""
    by_task = {str(each.task_id): each for each in wanted}
    wait_until(lambda: back_end.found() == by_task, 30, lambda: back_end.found())


def is_away_and_comes_back(server: Daemon, back_end: InZooKeeper | InEtcd, caplog: pytest.LogCaptureFixture) -> None:
    """The back end's server is killed and started again: nothing is lost, nobody held up, and one line told."""
    registry = back_end.publisher()
    one, two = endpoint("shop.web.dev.1.1"), endpoint("shop.web.dev.2.2")
    registry.publish(one)
    wait_found(back_end, one)
    server.kill()
    registry.publish(two)
    done = withdraw(registry, one.task_id)
    wait_until(lambda: "cannot be reached" in caplog.text, 30, lambda: caplog.text)
    assert not done.is_set()
    server.start().wait()
    assert done.wait(60)
    wait_found(back_end, two)
    assert caplog.text.count("cannot be reached") == 1
    back_end.close()


class TestEveryBackEnd:
    def test_what_is_published_is_there_until_it_is_withdrawn(self, back_end: BackEnd) -> None:
        registry, one, two = back_end.publisher(), endpoint("shop.web.dev.1.1"), endpoint("shop.web.dev.2.2")
        registry.publish(one)
        registry.publish(two)
        wait_found(back_end, one, two)
        assert withdraw(registry, "shop.web.dev.1.1").wait(10)
        assert list(back_end.found()) == ["shop.web.dev.2.2"]

    def test_of_what_was_asked_for_a_task_the_last_counts(self, back_end: BackEnd) -> None:
        registry = back_end.publisher()
        registry.publish(endpoint())
        registry.withdraw(endpoint().task_id, lambda: None)
        last = endpoint(since=2000.0)
        registry.publish(last)
        wait_found(back_end, last)
        changed = replace(last, addresses=("172.17.0.3",))
        registry.publish(changed)
        wait_found(back_end, changed)

    def test_a_withdrawal_of_what_was_never_published_is_done(self, back_end: BackEnd) -> None:
        assert withdraw(back_end.publisher(), "shop.web.dev.9.9").wait(10)

    def test_what_takes_the_place_of_a_predecessor_removes_its_endpoint(self, back_end: BackEnd) -> None:
        dead, heir = back_end.publisher(), back_end.publisher()
        dead.publish(endpoint("shop.web.dev.1.1"))
        wait_found(back_end, endpoint("shop.web.dev.1.1"))
        heir.publish(endpoint("shop.web.dev.1.2"), [TaskId("shop.web.dev.1.1"), TaskId("shop.web.dev.1.0")])
        wait_found(back_end, endpoint("shop.web.dev.1.2"))

    def test_of_two_who_claim_a_name_the_newer_wins_and_the_older_cannot_take_it_back(self, back_end: BackEnd) -> None:
        older, newer = back_end.publisher(), back_end.publisher()
        older.publish(endpoint(since=1000.0))
        wait_found(back_end, endpoint(since=1000.0))
        newer.publish(endpoint(since=2000.0))
        wait_found(back_end, endpoint(since=2000.0))
        older.publish(endpoint(since=1500.0))
        assert withdraw(older, "shop.web.dev.1.1").wait(10)
        assert back_end.found() == {"shop.web.dev.1.1": endpoint(since=2000.0)}

    def test_what_is_published_goes_with_its_publisher(self, back_end: BackEnd) -> None:
        one, two = back_end.publisher(), back_end.publisher()
        one.publish(endpoint("shop.web.dev.1.1"))
        two.publish(endpoint("shop.web.dev.2.2"))
        wait_found(back_end, endpoint("shop.web.dev.1.1"), endpoint("shop.web.dev.2.2"))
        one.close(10.0)
        wait_found(back_end, endpoint("shop.web.dev.2.2"))

    def test_executors_are_announced_as_long_as_they_live(self, back_end: BackEnd) -> None:
        one, two = back_end.publisher(), back_end.publisher()
        one.announce(announcement("b2-S1"))
        two.announce(announcement("b2-S2", port=1))
        two.announce(announcement("b2-S2", port=2))
        wanted = [announcement("b2-S1"), announcement("b2-S2", port=2)]
        wait_until(lambda: back_end.announced() == wanted, 30, back_end.announced)
        one.close(10.0)
        wait_until(lambda: back_end.announced() == wanted[1:], 30, back_end.announced)

    def test_what_a_process_leaves_stays_until_it_is_taken_over(self, back_end: BackEnd) -> None:
        old, heir = back_end.publisher(), back_end.publisher()
        old.publish(endpoint("shop.web.dev.1.1"))
        old.announce(announcement())
        wait_found(back_end, endpoint("shop.web.dev.1.1"))
        wait_until(lambda: back_end.announced() == [announcement()], 30, back_end.announced)
        old.hand_over(10.0)
        assert list(back_end.found()) == ["shop.web.dev.1.1"]
        assert back_end.announced() == [], "where it answers goes at once: nobody takes that over"
        heir.publish(endpoint("shop.web.dev.1.2", since=2000.0), [TaskId("shop.web.dev.1.1")])
        wait_found(back_end, endpoint("shop.web.dev.1.2", since=2000.0))


@pytest.mark.parametrize("kind", ["consul", pytest.param("zookeeper", marks=REAL), pytest.param("etcd", marks=REAL)])
def test_what_is_published_can_be_looked_through_and_what_is_left_removed(
    kind: str, request: pytest.FixtureRequest
) -> None:
    back_end = request.getfixturevalue(kind)
    registry, stays, left = back_end.publisher(), endpoint("shop.web.dev.1.1"), endpoint("shop.web.dev.2.2")
    with inventory_at(parse(str(back_end.url))) as inventory:
        assert dict(inventory.tasks()) == {}
    registry.announce(announcement("b2-S1"))
    for each in (stays, left):
        registry.publish(each)
    wait_found(back_end, stays, left)
    with inventory_at(parse(str(back_end.url))) as inventory:
        there = inventory.tasks()
        assert sorted(there) == ["shop.web.dev.1.1", "shop.web.dev.2.2"]
        found = inventory.read(there[left.task_id])
        assert found is not None
        assert found.endpoint == left
        later = replace(left, since=2000.0)
        registry.publish(later)
        wait_found(back_end, stays, later)
        assert not inventory.remove(found), "it is another one by now"
        found = inventory.read(there[left.task_id])
        assert found is not None
        assert inventory.remove(found)
    assert list(back_end.found()) == ["shop.web.dev.1.1"]


@pytest.mark.zookeeper
class TestZooKeeper:
    def test_after_the_end_of_a_session_all_is_published_anew(self, zookeeper: InZooKeeper) -> None:
        registry, names = zookeeper.publisher(), [f"shop.web.dev.{slot}.{slot}" for slot in range(20)]
        wanted = [endpoint(name) for name in names]
        for each in wanted:
            registry.publish(each)
        registry.announce(announcement())
        wait_found(zookeeper, *wanted)
        before = owner(zookeeper, names[0])
        end_session(zookeeper, registry)
        wait_until(lambda: owner(zookeeper, names[-1]) not in (None, before), 30, lambda: "not anew")
        wait_found(zookeeper, *wanted)
        wait_until(lambda: owner_of(zookeeper, announcement_path(announcement())) not in (None, before), 30, lambda: "")

    def test_a_node_of_a_session_that_will_end_is_made_anew(self, zookeeper: InZooKeeper) -> None:
        dead, heir = zookeeper.publisher(), zookeeper.publisher()
        dead.publish(endpoint())
        wait_found(zookeeper, endpoint())
        before = owner(zookeeper, endpoint().task_id)
        heir.publish(endpoint())
        wait_until(lambda: owner(zookeeper, endpoint().task_id) not in (None, before), 30, lambda: "not anew")
        dead.close(10.0)
        assert zookeeper.found() == {endpoint().task_id: endpoint()}

    def test_while_it_is_away_nothing_is_lost_and_nobody_held_up(
        self, tmp_path_factory: pytest.TempPathFactory, caplog: pytest.LogCaptureFixture
    ) -> None:
        with running_zookeeper(tmp_path_factory.mktemp("away")) as server:
            is_away_and_comes_back(server, InZooKeeper(server, "/away"), caplog)


@pytest.mark.zookeeper
class TestEtcd:
    def test_after_the_loss_of_a_lease_all_is_published_anew(self, etcd: InEtcd) -> None:
        registry, wanted = etcd.publisher(), [endpoint(f"shop.web.dev.{slot}.{slot}") for slot in range(20)]
        for each in wanted:
            registry.publish(each)
        wait_found(etcd, *wanted)
        lease = lease_of(etcd, wanted[0])
        etcd.client.revoke(lease)
        wait_found(etcd, *wanted)
        assert lease_of(etcd, wanted[-1]) != lease

    def test_what_nobody_keeps_alive_lapses(self, etcd: InEtcd) -> None:
        registry = etcd.publisher()
        registry.publish(endpoint())
        wait_found(etcd, endpoint())
        registry.hand_over(1.0)
        wait_found(etcd)

    def test_a_member_that_is_down_is_passed_over(self, etcd: InEtcd, server: Daemon) -> None:
        down = server.address.rpartition(":")[0]
        both = parse_url(f"etcd://{down}:2379,{etcd.url.addresses}{etcd.url.root}", "etcd")
        registry = Etcd(both, SESSION_SECONDS)
        registry.publish(endpoint())
        wait_found(etcd, endpoint())
        registry.close(10.0)

    def test_while_it_is_away_nothing_is_lost_and_nobody_held_up(
        self, tmp_path_factory: pytest.TempPathFactory, caplog: pytest.LogCaptureFixture
    ) -> None:
        with running_etcd(tmp_path_factory.mktemp("away")) as server:
            is_away_and_comes_back(server, InEtcd(server, "/away"), caplog)


class TestConsul:
    def test_services_are_named_as_arpanet2_names_them(self, consul: InConsul) -> None:
        registry = consul.publisher()
        apples = replace(endpoint("abc.apples.2.7"), group=group_id("abc", "apples"))
        pears = replace(endpoint("abc.pears.dev-eu.0.8"), group=group_id("abc", "pears", ["eu", "dev"]))
        registry.publish(apples)
        registry.publish(pears)
        wait_found(consul, apples, pears)
        plain, labeled = consul.contract.services.values()
        assert {key: plain.service[key] for key in ("Name", "ID", "Tags", "Address", "Port")} == {
            "Name": "apples.abc",
            "ID": "2.apples.abc",
            "Tags": [],
            "Address": "10.0.0.5",
            "Port": 31000,
        }
        assert (labeled.service["ID"], labeled.service["Tags"]) == ("0.dev.eu.pears.abc", ["dev", "eu"])

    def test_what_nobody_passes_any_more_is_not_found_and_later_removed(self, consul: InConsul) -> None:
        registry = consul.publisher()
        registry.publish(endpoint())
        wait_found(consul, endpoint())
        registry.hand_over(1.0)
        consul.contract.later += 4
        assert consul.found() == {}
        assert consul.contract.services
        consul.contract.later += 60
        assert consul.contract.passing() == {}
        assert not consul.contract.services

    def test_what_the_agent_has_forgotten_is_registered_again(self, consul: InConsul) -> None:
        registry = consul.publisher()
        registry.publish(endpoint())
        wait_found(consul, endpoint())
        consul.contract.services.clear()
        wait_found(consul, endpoint())

    def test_while_it_is_away_nothing_is_lost(self, consul: InConsul) -> None:
        registry = consul.publisher()
        registry.publish(endpoint())
        wait_found(consul, endpoint())
        consul.contract.is_away = True
        done = withdraw(registry, endpoint().task_id)
        registry.publish(endpoint("shop.web.dev.2.2"))
        consul.contract.is_away = False
        assert done.wait(10)
        wait_found(consul, endpoint("shop.web.dev.2.2"))

    @pytest.mark.parametrize("is_one_executor", [False, True])
    def test_of_two_tasks_in_a_slot_the_newer_is_found_and_the_older_again_when_that_ends(
        self, is_one_executor: bool, consul: InConsul
    ) -> None:
        old = consul.publisher()
        new = old if is_one_executor else consul.publisher()
        before, beside = endpoint("shop.web.dev.1.1"), endpoint("shop.web.dev.1.2", since=2000.0)
        old.publish(before)
        wait_found(consul, before)
        new.publish(beside)
        wait_found(consul, beside)
        assert withdraw(new, beside.task_id).wait(10)
        wait_found(consul, before)


def lease_of(back_end: InEtcd, wanted: Endpoint) -> int:
    """The lease of the key of this task."""
    found = back_end.client.get(info_of(back_end.url.root, wanted.group, wanted.task_id))
    return found.lease if found is not None else 0


def owner(back_end: InZooKeeper, name: str) -> int | None:
    """The session of the node of this task."""
    return owner_of(back_end, path_of(endpoint().group, TaskId(name)))


def owner_of(back_end: InZooKeeper, path: str) -> int | None:
    """The session of the node there."""
    stat = back_end.client.exists(back_end.root + path)
    return None if stat is None else int(stat.ephemeralOwner)
