"""From an order to environment, ports and the engine's settings."""

from __future__ import annotations

from dataclasses import is_dataclass, replace
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from executor.container.settings import container_settings
from executor.core.order import order_from_bytes
from executor.core.port_bindings import binding, bindings
from executor.environment import environment
from specs.ids import group_id
from specs.model.canonical import container_json
from specs.model.declared import Effect, with_effect
from specs.model.stack import Container, Network, Port, Protocol, Ulimit, Volume
from specs.records_pb2 import CustomResource, LaunchOrder
from tests.kit.executor_talk import order

WEB = Container(
    image="acme/web:1",
    ports=(Port(name="http", container_port=8080), Port(name="admin-ui", container_port=0, protocol=Protocol.UDP)),
    environment=(("HOST", "mine"), ("LOG", "info")),
)


def test_the_environment_is_marathons_and_ours_and_the_users_wins() -> None:
    wanted = order(container=WEB, host_ports=(31000, 31001), group=group_id("shop", "web", ["dev", "blue"]))
    assert environment(wanted, "/sandbox") == {
        "HOST": "mine",
        "LOG": "info",
        "PORT": "31000",
        "PORT0": "31000",
        "PORT1": "31001",
        "PORTS": "31000,31001",
        "PORT_HTTP": "31000",
        "PORT_ADMIN_UI": "31001",
        "MESOS_TASK_ID": "shop.web.1.1",
        "MESOS_SANDBOX": "/sandbox",
        "FRAMEWORK_STACK": "shop",
        "FRAMEWORK_SERVICE": "web",
        "FRAMEWORK_LABELS": "blue,dev",
        "FRAMEWORK_SLOT": "1",
        "FRAMEWORK_ATTEMPT": "1",
        "FRAMEWORK_TASK": "shop.web.1.1",
        "FRAMEWORK_VERSION": "0123456789ab",
        "FRAMEWORK_GROUP": "shop/web[blue,dev]",
        "FRAMEWORK_AGENT": "A",
        "FRAMEWORK_ADDRESS": "10.0.0.5",
    }


def test_custom_resources_are_in_the_environment() -> None:
    wanted = order(scalars=(("net-work", 7500),), sets=(("fpga", ("a", "b")),))
    given = environment(wanted, "/sandbox")
    assert (given["FRAMEWORK_RESOURCE_NET_WORK"], given["FRAMEWORK_RESOURCE_FPGA"]) == ("7.5", "a,b")


def test_a_task_without_ports_has_no_port() -> None:
    given = environment(order(), "/sandbox")
    assert given["PORTS"] == ""
    assert "PORT" not in given
    assert "PORT0" not in given


def test_ports_are_bound_to_the_agents_own_address() -> None:
    settings = container_settings(order(container=WEB, host_ports=(31000, 31001)), "/box", "/box/tasks/t")
    assert settings["ExposedPorts"] == {"8080/tcp": {}, "31001/udp": {}}
    assert settings["HostConfig"]["PortBindings"] == {
        "8080/tcp": [{"HostIp": "10.0.0.5", "HostPort": "31000"}],
        "31001/udp": [{"HostIp": "10.0.0.5", "HostPort": "31001"}],
    }


def test_on_the_hosts_network_nothing_is_mapped() -> None:
    wanted = order(container=Container(image="a", network=Network.HOST, ports=WEB.ports), host_ports=(31000, 31001))
    assert [bound.container_port for bound in bindings(wanted)] == [31000, 31001]
    assert container_settings(wanted, "/box", "/t")["HostConfig"]["PortBindings"] == {}
    assert [binding(wanted, name) for name in ("", "admin-ui", "no")] == [*bindings(wanted), None]


def test_limits_and_labels() -> None:
    container = Container(image="a", labels=(("framework.task_id", "forged"), ("team", "red")))
    settings = container_settings(order(container=container, cpus_milli=1500, gpus=1), "/box", "/t")
    host = settings["HostConfig"]
    assert (host["CpuShares"], host["Memory"], host["MemorySwap"]) == (1536, 64 << 20, 64 << 20)
    assert host["DeviceRequests"][0]["Count"] == 1
    assert host["Binds"] == ["/t:/mnt/mesos/sandbox"]
    assert settings["Labels"] == {
        "team": "red",
        "framework.framework_id": "F",
        "framework.agent_id": "A",
        "framework.task_id": "shop.web.1.1",
        "framework.stack": "shop",
        "framework.service": "web",
        "framework.group": "shop/web",
        "framework.version": "0123456789ab",
        "framework.sandbox": "/box",
    }


def test_every_setting_of_a_container_reaches_the_engine() -> None:
    container = Container(
        image="a",
        command=("run", "it"),
        entrypoint=("/init",),
        volumes=(
            Volume(source="/data", target="/d"),
            Volume(source="cache", target="/c", is_read_only=True),
            Volume(source="", target="/scratch"),
        ),
        tmpfs=("/run", "/tmp:size=64m"),
        network=Network.NONE,
        user="1000:100",
        working_dir="/srv",
        hostname="box",
        privileged=True,
        read_only=True,
        init=True,
        tty=True,
        cap_add=("NET_ADMIN",),
        cap_drop=("ALL",),
        devices=("/dev/fuse", "/dev/a:/dev/b:r"),
        dns=("10.0.0.1",),
        dns_search=("example.org",),
        dns_opt=("ndots:2",),
        extra_hosts=("db:10.0.0.2",),
        security_opt=("no-new-privileges",),
        sysctls=(("net.core.somaxconn", "1024"),),
        ulimits=(Ulimit(name="nofile", soft=10, hard=20),),
        group_add=("audio",),
        shm_size_mib=2,
        pids_limit=50,
    )
    settings = container_settings(order(container=container), "/box", "/t")
    host = settings.pop("HostConfig")
    top = {name: settings[name] for name in ("Cmd", "Entrypoint", "User", "WorkingDir", "Hostname", "Tty", "Volumes")}
    assert top == {
        "Cmd": ["run", "it"],
        "Entrypoint": ["/init"],
        "User": "1000:100",
        "WorkingDir": "/srv",
        "Hostname": "box",
        "Tty": True,
        "Volumes": {"/scratch": {}},
    }
    for settled in ("NetworkMode", "CpuShares", "RestartPolicy", "LogConfig", "Memory", "MemorySwap", "PortBindings"):
        host.pop(settled)
    assert host == {
        "Binds": ["/t:/mnt/mesos/sandbox", "/data:/d", "cache:/c:ro"],
        "Privileged": True,
        "ReadonlyRootfs": True,
        "Init": True,
        "CapAdd": ["NET_ADMIN"],
        "CapDrop": ["ALL"],
        "Devices": [
            {"PathOnHost": "/dev/fuse", "PathInContainer": "/dev/fuse", "CgroupPermissions": "rwm"},
            {"PathOnHost": "/dev/a", "PathInContainer": "/dev/b", "CgroupPermissions": "r"},
        ],
        "Dns": ["10.0.0.1"],
        "DnsSearch": ["example.org"],
        "DnsOptions": ["ndots:2"],
        "ExtraHosts": ["db:10.0.0.2"],
        "SecurityOpt": ["no-new-privileges"],
        "Sysctls": {"net.core.somaxconn": "1024"},
        "Ulimits": [{"Name": "nofile", "Soft": 10, "Hard": 20}],
        "GroupAdd": ["audio"],
        "ShmSize": 2 << 20,
        "PidsLimit": 50,
        "Tmpfs": {"/run": "", "/tmp": "size=64m"},
    }


ELSEWHERE = {
    "ports": "executor.core.port_bindings",
    "post_start": "executor.core.starting",
    "templates": "executor.templates",
}
"""Fields that make a new container, and the module that reads them instead of container_settings."""


def sample(hint: Any) -> Any:
    """A value of a field's type that is no default."""
    arguments = [each for each in get_args(hint) if each is not type(None)]
    if isinstance(hint, type) and is_dataclass(hint):
        return hint(**{name: sample(part) for name, part in get_type_hints(hint).items()})
    if get_origin(hint) is tuple:
        return tuple(sample(each) for each in arguments if each is not Ellipsis)
    if arguments:
        return sample(arguments[0])
    return Network.NONE if hint is Network else {bool: True, int: 7, str: "x"}[hint]


@pytest.mark.parametrize("name", [each for each in with_effect(Container, Effect.REPLACES) if each not in ELSEWHERE])
def test_every_field_that_makes_a_new_container_reaches_the_engine(name: str) -> None:
    changed = replace(Container(image="a"), **{name: sample(get_type_hints(Container)[name])})
    plain, settings = (
        container_settings(order(container=each), "/box", "/t") for each in (Container(image="a"), changed)
    )
    assert plain != settings, f"container_settings leaves out {name}"


# ---- orders -----------------------------------------------------------------------


def record(**changes: object) -> LaunchOrder:
    content = {"schema": 1, "task_id": "t", "container_json": container_json(WEB), "host_ports": [1, 2], **changes}
    return LaunchOrder(**content)  # type: ignore[arg-type]


def test_an_order_is_read() -> None:
    read = order_from_bytes(record(labels=["b", "a"], address="10.0.0.5").SerializeToString())
    assert (read.task_id, read.container, read.host_ports, read.group.labels) == ("t", WEB, (1, 2), ("a", "b"))
    assert (read.scalars, read.sets) == ((), ())


def test_custom_resources_of_an_order_are_read() -> None:
    custom = [CustomResource(name="tokens", amount_milli=1500), CustomResource(name="fpga", items=["a", "b"])]
    read = order_from_bytes(record(custom=custom).SerializeToString())
    assert (read.scalars, read.sets) == ((("tokens", 1500),), (("fpga", ("a", "b")),))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xff\xff", "wanted a LaunchOrder, got 2 other bytes"),
        (record(schema=3).SerializeToString(), "has schema 3, this executor knows up to 2"),
        (record(container_json=b"{").SerializeToString(), "container settings cannot be read"),
        (record(container_json=b"[]").SerializeToString(), "container settings cannot be read"),
        (record(container_json=b'{"imgae":"a"}').SerializeToString(), "imgae"),
        (record(task_id="").SerializeToString(), "wanted a task_id, got none"),
        (record(host_ports=[1]).SerializeToString(), "a host port for each of 2 ports, got 1"),
        (record(container_json=b"{}", host_ports=[]).SerializeToString(), "neither an image nor a command"),
    ],
)
def test_an_order_that_cannot_be_followed_says_why(data: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        order_from_bytes(data)


def test_name_servers_are_the_schedulers_where_the_container_names_none() -> None:
    def given(container: Container) -> tuple[list[str], list[str]]:
        wanted = order(container=container, host_ports=(1, 2), dns=("172.17.0.1",), dns_search=("shop.service.fw",))
        config = container_settings(wanted, "/box", "/t")["HostConfig"]
        return config["Dns"], config["DnsSearch"]

    assert given(WEB) == (["172.17.0.1"], ["shop.service.fw"])
    assert given(replace(WEB, dns=("9.9.9.9",), dns_search=("x.org",))) == (["9.9.9.9"], ["x.org"])
