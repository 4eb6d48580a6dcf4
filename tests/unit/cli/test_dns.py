"""`framework dns`: every option reaches the server; what cannot be is said before anything is answered."""

from __future__ import annotations

import importlib
import socket
from pathlib import Path

import pytest

from discovery.dns.names import Reach
from discovery.dns.server import PRIVATE
from discovery.dns.service import DnsSettings, Everything
from discovery.dns.zone import ZoneSettings
from specs.ids import group_id
from specs.states import Health, TaskState
from tests.kit.front import FakeFront, a_group, a_stack, a_task, a_view
from tests.unit.cli.conftest import Run, Serve

command = importlib.import_module("framework.cli.dns")
ZK = ("--zk", "zk://10.0.0.7:2181/framework")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[DnsSettings, Everything | None]]:
    """The settings with which servers were started; /etc/resolv.conf names two servers, one of them at this machine."""
    settings: list[tuple[DnsSettings, Everything | None]] = []

    async def serve(given: DnsSettings, everything: Everything | None) -> None:
        settings.append((given, everything))

    (tmp_path / "resolv.conf").write_text(
        "search x\nnameserver 192.0.2.53\nnameserver 127.0.0.53\nnameserver x\nnameserver"
    )
    monkeypatch.setattr(command, "RESOLV_CONF", tmp_path / "resolv.conf")
    monkeypatch.setattr(command, "serve", serve)
    return settings


def test_the_least(run: Run, started: list[tuple[DnsSettings, Everything | None]]) -> None:
    assert run("dns", *ZK).exit_code == 0
    assert started == [
        (
            DnsSettings(
                endpoints="zk://10.0.0.7:2181/framework",
                listen=(("127.0.0.1", 5300),),
                zone=ZoneSettings(domain="framework.internal", ttl_seconds=1, servers=("127.0.0.1",)),
                forward=(("192.0.2.53", 53), ("127.0.0.53", 53)),
                networks=PRIVATE,
            ),
            None,
        )
    ]


def test_everything(run: Run, started: list[tuple[DnsSettings, Everything | None]]) -> None:
    words = (
        *("--listen", "172.17.0.1", "--listen", "[fd00::1]:53", "--listen", "0.0.0.0:5300", "--domain", "Example.ORG."),
        *("--ttl", "1m", "--addresses", "container", "--forward", "9.9.9.9", "--forward", "[fd00::2]:54"),
        *("--forward-for", "10.0.0.0/8", "--mesos-dns-names", "marathon.mesos", "--metrics", "127.0.0.1:9153"),
    )
    run("dns", *ZK, *words)
    assert started[0][0] == DnsSettings(
        endpoints="zk://10.0.0.7:2181/framework",
        listen=(("172.17.0.1", 53), ("fd00::1", 53), ("0.0.0.0", 5300)),
        zone=ZoneSettings(
            domain="example.org", ttl_seconds=60, servers=("172.17.0.1", "fd00::1"), mesos_dns="marathon.mesos"
        ),
        reach=Reach.CONTAINER,
        forward=(("9.9.9.9", 53), ("fd00::2", 54)),
        networks=("10.0.0.0/8",),
        status=("127.0.0.1", 9153),
    )


def test_it_does_not_ask_itself(run: Run, started: list[tuple[DnsSettings, Everything | None]]) -> None:
    run("dns", *ZK, "--listen", "127.0.0.53:53")
    assert started[0][0].forward == (("192.0.2.53", 53),)
    run("dns", *ZK, "--listen", "0.0.0.0:53")
    assert started[1][0].forward == (("192.0.2.53", 53),)
    run("dns", *ZK, "--forward", "none")
    assert started[2][0].forward == ()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--zk", "etcd://a/b"], "--zk wanted zk://HOST:PORT,HOST:PORT/PATH; got 'etcd://a/b'"),
        (["--listen", "localhost:53"], "--listen wants an IP address, or one with a port, as 172.17.0.1:53"),
        (["--listen", "127.0.0.1:65536"], "got '127.0.0.1:65536'."),
        (["--metrics", "9153"], "--metrics wants an IP address, or one with a port"),
        (["--domain", "a_b"], "--domain wants a domain of up to 100 characters, as framework.internal; got 'a_b'."),
        (["--domain", "a." * 51 + "a"], "--domain wants a domain of up to 100 characters"),
        (["--ttl", "1500ms"], "--ttl wants whole seconds, from 0s to 1h; got 1.5 s."),
        (["--ttl", "2h"], "--ttl wants whole seconds, from 0s to 1h; got 7200 s."),
        (
            ["--forward", "127.0.0.1:5300"],
            "--forward 127.0.0.1:5300 is where this server listens itself; name another.",
        ),
        (["--forward", "none", "--forward", "9.9.9.9"], "--forward wants an IP address"),
        (["--forward-for", "10.0.0.1/8"], "--forward-for wants a network, as 10.0.0.0/8; got '10.0.0.1/8'"),
        (["--mesos-dns-names", "mesos"], "--mesos-dns-names wants FRAMEWORK.DOMAIN, as marathon.mesos; got 'mesos'."),
        (["--mesos-dns-names", "marathon.framework.internal"], "one is in the other"),
        (["--addresses", "both"], "'both' is not one of 'agent', 'container'"),
    ],
)
def test_what_cannot_be(run: Run, words: list[str], said: str) -> None:
    result = run("dns", *ZK, *words)
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())


def test_a_port_that_is_taken_and_an_address_that_is_not_there(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("dns", *ZK, "--listen", f"127.0.0.1:{port}")
        assert (result.exit_code, f"Cannot listen at 127.0.0.1:{port}: something else does;" in result.output) == (
            1,
            True,
        )
    result = run("dns", *ZK, "--listen", "192.0.2.99:5300")
    assert result.exit_code == 1
    assert "this machine has no such address; `ip address` shows those it has." in result.output


def test_all_tasks_are_those_that_the_scheduler_runs(
    run: Run, serve: Serve, front: FakeFront, started: list[tuple[DnsSettings, Everything | None]]
) -> None:
    web = group_id("shop", "web", ["dev"])
    tasks = [a_task(web, 0, health=Health.UNHEALTHY), a_task(web, 1, 2, state=TaskState.STAGING)]
    front.view = a_view([a_stack("shop", [a_group(web, instances=2, tasks=tasks)])])
    run("dns", *ZK, "--url", serve())
    everything = started[0][1]
    assert everything is not None
    ((found,),) = everything().values()
    assert (found.group, found.slot, found.address) == (web, 0, "127.0.1.1")
    assert [(port.name, port.number, port.container_port) for port in found.ports] == [("http", 31001, 8080)]
    run("dns", *ZK, "--url", "http://127.0.0.1:1")
    unreachable = started[1][1]
    assert unreachable is not None
    with pytest.raises(OSError, match=r"127\.0\.0\.1:1"):
        unreachable()


def test_what_is_no_scheduler_is_told(
    run: Run, started: list[tuple[DnsSettings, Everything | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("framework.cli.server.Server.get", lambda *_, **__: {"tasks": [{}]})
    run("dns", *ZK, "--url", "http://127.0.0.1:1")
    everything = started[0][1]
    assert everything is not None
    with pytest.raises(OSError, match="answers what no scheduler would"):
        everything()
