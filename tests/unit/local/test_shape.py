"""The addresses, ports and texts of a local cluster's shape."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from framework.cli.local import urls
from framework.local import commands
from framework.local.cluster import SHAPE_FILE, Cluster
from framework.local.errors import LocalError
from framework.local.shape import END_PORT, Shape


def test_addresses_without_a_subnet() -> None:
    assert Shape(masters=2, agents=2, schedulers=1).addresses() == {
        "zookeeper": "127.0.0.1:2181",
        "master1": "127.0.0.1:5050",
        "master2": "127.0.0.2:5050",
        "agent1": "127.0.1.1:5051",
        "agent2": "127.0.1.2:5051",
        "scheduler1": "127.0.2.1:8080",
    }


def test_a_subnet_is_the_second_number_of_every_address() -> None:
    shape = Shape(subnet=7, masters=3, agents=3, schedulers=2)
    assert all(address.startswith("127.7.") for address in shape.addresses().values())
    assert shape.master_url == "zk://127.7.0.1:2181/mesos"
    assert shape.store_url == "zk://127.7.0.1:2181/framework"


def test_the_first_agents_have_500_ports_each_from_31000() -> None:
    shape = Shape(agents=3)
    assert [shape.agent_ports(n) for n in (1, 2, 3)] == [(31000, 31499), (31500, 31999), (32000, 32499)]
    assert Shape(agents=1).agent_ports(1) == (31000, 31499)


@pytest.mark.parametrize("agents", [1, 2, 3, 4, 20, 60, 250])
def test_agents_never_share_a_port_nor_use_those_of_outgoing_connections(agents: int) -> None:
    shape = Shape(agents=agents)
    ranges = [shape.agent_ports(n) for n in range(1, agents + 1)]
    assert all(first <= last < END_PORT for first, last in ranges)
    assert all(ranges[i][1] < ranges[i + 1][0] for i in range(agents - 1))
    assert ranges[0][0] >= 10000


def test_ports_are_added_to_resources_that_name_none() -> None:
    assert Shape(resources="cpus:1").agent_resources(1) == "cpus:1;ports:[31000-31499]"
    assert Shape(resources="cpus:1;ports:[1-2]").agent_resources(1) == "cpus:1;ports:[1-2]"
    assert Shape(resources="cpus:1; ports:[1-2]").agent_resources(1) == "cpus:1; ports:[1-2]"


def test_attributes_are_used_in_turn() -> None:
    shape = Shape(agents=3, attributes=("rack:a", "rack:b"))
    assert [shape.agent_attributes(n) for n in (1, 2, 3)] == ["rack:a", "rack:b", "rack:a"]
    assert Shape(attributes=()).agent_attributes(1) == ""


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (Shape(agents=251), "agents: wanted a number from 0 to 250, got 251"),
        (Shape(masters=0), "masters: wanted a number from 1 to 9, got 0"),
        (Shape(subnet=-1), "subnet: wanted a number from 0 to 250, got -1"),
        (Shape(schedulers=10), "schedulers: wanted a number from 0 to 9, got 10"),
        (
            Shape(attributes=("rack",)),
            'attributes: wanted name:value pairs like "rack:a;zone:z1", got "rack" in "rack"',
        ),
        (
            Shape(resources="cpus:4;mem"),
            'resources: wanted name:value pairs like "cpus:4;mem:4096;disk:10000", got "mem" in "cpus:4;mem"',
        ),
    ],
)
def test_a_shape_that_cannot_be_is_refused(shape: Shape, message: str) -> None:
    with pytest.raises(LocalError) as refused:
        shape.check()
    assert str(refused.value) == message


def test_a_server_of_names_is_a_daemon_and_schedulers_tell_containers_of_it() -> None:
    shape = Shape(schedulers=1, dns="172.17.0.1")
    assert shape.addresses()["dns"] == "172.17.0.1:53"
    assert "dns" not in Shape().addresses()
    words = commands.scheduler(shape, 1, {}).command
    assert words[words.index("--dns") + 1] == "172.17.0.1"
    assert "--dns" not in commands.scheduler(Shape(schedulers=1), 1, {}).command
    assert commands.dns(shape).command[-8:] == (
        *("--zk", shape.store_url, "--listen", "172.17.0.1:53"),
        *("--addresses", "container", "--url", "http://127.0.2.1:8080"),
    )


def test_what_up_prints_names_each_thing_once(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    shape = Shape(schedulers=1, dns="172.17.0.1", balancer=True)
    (tmp_path / SHAPE_FILE).write_text(json.dumps(asdict(shape)), encoding="utf-8")
    first = [line.split()[0] for line in urls(cluster).splitlines()]
    assert first == ["API", "Mesos", "ZooKeeper", "Names", "Routes", "To", "Then:", "Look", "Stop"]
