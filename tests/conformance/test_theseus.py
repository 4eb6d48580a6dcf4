"""Theseus's driver on a real etcd: what its clients ask, of what executors published and of what was set by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from discovery.backends.by_address import parse, registry_at
from discovery.backends.registry import Several
from discovery.backends.theseus.configs import Configs
from discovery.backends.theseus.driver import EtcdDriver
from framework.local.daemon import Daemon
from specs.ids import FrameworkId, group_id
from tests.conformance.executor_kit import wait_until
from tests.conformance.registry_kit import endpoint
from tests.kit.consul import serving_contract
from tests.kit.etcd import running_etcd

pytestmark = pytest.mark.zookeeper

METHODS = (
    *("create_service", "create_group", "remove_service", "remove_group", "service_exists", "group_exists"),
    *("get_service_names", "get_service_groups", "get_service_containers", "get_group_config", "set_group_config"),
    *("get_group_container_names", "container_exists", "get_container_info", "set_container_info"),
    *("register_container", "deregister_container"),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with running_etcd(tmp_path_factory.mktemp("etcd")) as server:
        yield server


def test_all_seventeen_are_there(server: Daemon) -> None:
    driver = EtcdDriver(f"etcd://{server.address}/all", "shop")
    assert len(METHODS) == 17
    assert [name for name in METHODS if not callable(getattr(driver, name, None))] == []


def test_what_is_published_is_read_and_no_other_stack_is_seen(server: Daemon) -> None:
    url = f"etcd://{server.address}/read"
    driver, labels = EtcdDriver(url, "shop"), EtcdDriver.encode_labels(["dev"])
    with serving_contract() as consul:
        several = Several([registry_at(parse(each)) for each in (url, f"consul://{consul.address}")])
        several.publish(endpoint("shop.web.dev.1.1"))
        wait_until(lambda: driver.service_exists("web") and consul.passing(), 20, driver.get_service_names)
        assert driver.get_service_names() == ["web"]
        assert driver.get_service_groups("web") == [labels]
        assert driver.get_group_container_names("web", labels) == ["shop.web.dev.1.1"]
        assert driver.get_service_containers("web") == ["shop.web.dev.1.1"]
        info = driver.get_container_info("web", labels, "shop.web.dev.1.1")
        theseus = {name: info[name] for name in ("instance_name", "instance_host", "instance_port", "port_mappings")}
        assert theseus == {
            "instance_name": "shop.web.dev.1.1",
            "instance_host": "10.0.0.5",
            "instance_port": 31000,
            "port_mappings": {"http": {"external": "31000/tcp", "exposed": "8080/tcp"}},
        }
        other = EtcdDriver(url, "sho")
        assert (other.get_service_names(), other.service_exists("web")) == ([], False)
        several.close(10.0)
        wait_until(lambda: not driver.service_exists("web"), 20, driver.get_service_names)


def test_what_is_set_by_hand_stays_until_it_is_removed(server: Daemon) -> None:
    driver = EtcdDriver(f"etcd://{server.address}/hand", "shop")
    driver.create_service("db")
    assert driver.service_exists("db")
    assert (driver.get_service_groups("db"), driver.group_exists("db", "_")) == ([], False)
    driver.create_group("db", "dev,eu", {"image": "acme/db:1"})
    assert driver.get_group_config("db", "dev,eu") == {"image": "acme/db:1"}
    driver.set_group_config("db", "dev,eu", {"image": "acme/db:2"})
    driver.register_container("db", "dev,eu", "db-1", {"instance_host": "10.0.0.6"})
    driver.register_container("db", "_", "db-2", {"instance_host": "10.0.0.7"})
    assert driver.get_group_config("db", "dev,eu") == {"image": "acme/db:2"}, "which a container does not change"
    assert driver.get_service_containers("db") == ["db-2", "db-1"]
    driver.set_container_info("db", "dev,eu", "db-1", {"instance_host": "10.0.0.8"})
    assert driver.get_container_info("db", "dev,eu", "db-1") == {"instance_host": "10.0.0.8"}
    driver.deregister_container("db", "dev,eu", "db-1")
    assert not driver.container_exists("db", "dev,eu", "db-1")
    with pytest.raises(KeyError):
        driver.get_container_info("db", "dev,eu", "db-1")
    driver.remove_group("db", "dev,eu")
    assert driver.get_service_groups("db") == ["_"]
    driver.remove_service("db")
    assert driver.get_service_names() == []


def test_the_leader_tells_what_groups_are_deployed_with(server: Daemon) -> None:
    url = f"etcd://{server.address}/configs"
    driver, configs = EtcdDriver(url, "shop"), Configs(parse(url))
    ours, theirs = FrameworkId("F-0000"), FrameworkId("G-0000")
    web, db = group_id("shop", "web", ["dev"]), group_id("shop", "db")
    driver.create_group("db", "_", {"by": "hand"})
    assert configs.keep({web: {"instances": 2}, db: {"instances": 1}}, ours)
    assert driver.get_group_config("web", "dev") == {"framework": ours, "instances": 2}
    assert driver.get_group_config("db", "_") == {"by": "hand"}, "which is its owner's"
    assert configs.keep({web: {"instances": 3}}, ours)
    assert driver.get_group_config("web", "dev")["instances"] == 3
    driver.remove_service("web")
    assert configs.keep({web: {"instances": 3}}, ours)
    assert driver.group_exists("web", "dev"), "it is made anew"
    assert Configs(parse(url)).keep({}, theirs)
    assert driver.group_exists("web", "dev")
    assert Configs(parse(url)).keep({}, ours)
    assert (driver.group_exists("web", "dev"), driver.group_exists("db", "_")) == (False, True)


def test_labels_with_dashes_do_not_meet(server: Daemon) -> None:
    url = f"etcd://{server.address}/dashes"
    driver = EtcdDriver(url, "shop")
    registry = registry_at(parse(url))
    for number, labels in enumerate((["a-b", "c"], ["a", "b-c"], [])):
        registry.publish(replace(endpoint(f"shop.web.x.{number}.1"), group=group_id("shop", "web", labels)))
    wanted = ["_", "a,b-c", "a-b,c"]
    wait_until(lambda: driver.get_service_groups("web") == wanted, 20, lambda: driver.get_service_groups("web"))
    registry.close(10.0)
