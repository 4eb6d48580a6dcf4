"""Variables of links in a container, and a command inside it: on real Mesos, ZooKeeper and Docker."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from discovery.readers.resolver import Resolver
from framework.local.cluster import Cluster
from tests.kit.cli import Cli, eventually
from tests.kit.cluster import running_cluster

pytestmark = [pytest.mark.cluster, pytest.mark.docker, pytest.mark.zookeeper]

STACK = """
name: shop
services:
  auth:
    image: framework-demo/busybox:1
    command: ["sh", "-c", "mkdir /www; echo I am auth > /www/index.html; httpd -f -p 80 -h /www"]
    ports: {http: 80}
    resources: {cpus: 0.1, memory: 16M}
  web:
    image: framework-demo/busybox:1
    command:
      - sh
      - -c
      - |
        echo "$$AUTH_ENDPOINTS is $$AUTH_HOST:$$AUTH_PORT_HTTP, $$FRAMEWORK_LEADER leads"; cat /etc/up.conf
        wget -q -O - "http://$$AUTH_HOST:$$AUTH_PORT_HTTP/index.html"
        trap 'echo again; cat /etc/up.conf' HUP
        while :; do sleep 0.1; done
    ports: [8080]
    links: [auth]
    resources: {cpus: 0.1, memory: 16M}
    templates:
      - source: up.tmpl
        target: /etc/up.conf
        on_change: signal HUP
      - content: "{{ endpoints('auth')[0] }}"
        target: first
        on_change: {command: "cat /mnt/mesos/templates/first >> /tmp/firsts; echo >> /tmp/firsts"}
  job:
    command: [sleep, "100000"]
    resources: {cpus: 0.1, memory: 16M}
"""
TEMPLATE = "{% for each in endpoints('auth', 'http') %}server {{ each }};\n{% endfor %}slot {{ slot }}\n"


class Shop:
    """A stack of which `web` is told of `auth`."""

    def __init__(self, cluster: Cluster, directory: Path) -> None:
        self.cli = Cli(cluster.url)
        self.zookeeper = f"zk://{cluster.zookeeper_address}/framework"
        (directory / "up.tmpl").write_text(TEMPLATE, encoding="utf-8")
        (directory / "shop.yml").write_text(STACK, encoding="utf-8")
        self.cli.run("submit", str(directory / "shop.yml"), "--wait")

    def endpoints(self) -> list[str]:
        """Addresses at which tasks on the agents' network reach the tasks of auth."""
        return [task["endpoints"][0] for task in self.cli.tasks("shop/auth")]

    def reached(self) -> list[str]:
        """Addresses at which containers on the bridge reach them: agents are at loopback addresses."""
        addresses = ("docker", "inspect", "--format", "{{.NetworkSettings.IPAddress}}")
        ids = [task["id"] for task in self.cli.tasks("shop/auth")]
        found = subprocess.run([*addresses, *ids], check=True, capture_output=True, text=True).stdout.split()
        return [f"{address}:80" for address in found]

    def said(self) -> str:
        lines = self.cli.run("logs", "shop/web", "--since", "1h").stdout.splitlines(keepends=True)
        return "".join(line.partition(" | ")[2] for line in lines)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, images: None) -> Iterator[Shop]:
    with running_cluster(tmp_path_factory.mktemp("cluster"), agents=1, schedulers=1) as cluster:
        shop = Shop(cluster, tmp_path_factory.mktemp("files"))
        yield shop
        shop.cli.run("remove", "shop", "--yes", "--wait")


def test_a_task_is_told_where_others_are_at_its_start_and_when_that_changes(shop: Shop) -> None:
    (first,) = shop.reached()
    own = shop.cli.tasks("shop/web")[0]["endpoints"][0]
    start = f"{first} is {first}, {own} leads\nserver {first};\nslot 0\nI am auth\n"
    eventually(lambda: shop.said() == start, "web says what it was told at its start")
    with_resolver = Resolver(shop.zookeeper)
    shop.cli.run("scale", "shop/auth", "2")
    both = eventually(lambda: len(shop.endpoints()) == 2 and shop.endpoints(), "two of auth run")
    inside = shop.reached()
    servers = "".join(f"server {each};\n" for each in inside)
    eventually(lambda: shop.said() == f"{start}again\n{servers}slot 0\n", "web was sent HUP once the file was another")
    found = with_resolver.endpoints("shop", "auth")
    assert [f"{each.address}:{each.ports[0].number}" for each in found] == both
    with_resolver.close()
    # None is left: what wants the first of them keeps what it was, and says so.
    shop.cli.run("scale", "shop/auth", "0")

    def message() -> str:
        return str(shop.cli.tasks("shop/web")[0]["message"])

    eventually(lambda: "template first does not render: " in message(), "the status of web tells of it")
    assert shop.cli.run("exec", "shop/web", "cat", "/mnt/mesos/templates/first").stdout == inside[0]
    shop.cli.run("scale", "shop/auth", "1")
    eventually(lambda: message() == "its templates are as they should be again", "the status of web tells of it")
    (last,) = shop.reached()
    firsts = "cat /tmp/firsts; true"
    eventually(
        lambda: shop.cli.run("exec", "shop/web", "sh", "-c", firsts).stdout == f"{last}\n" or last == inside[0],
        "the command of web was run",
    )


@pytest.mark.parametrize("group", ["shop/web", "shop/job"])
def test_a_command_runs_where_a_task_runs_with_or_without_a_terminal(group: str, shop: Shop) -> None:
    done = shop.cli.run("exec", group, "--", "sh", "-c", "echo $FRAMEWORK_SLOT; echo bad >&2; exit 7", code=7)
    assert (done.stdout, done.stderr) == ("0\n", "bad\n")
    assert shop.cli.run("exec", group, "no-such-command", code=None).returncode in (126, 127)
    command = [sys.executable, "-m", "framework.cli.main", "exec"]
    settings = {**os.environ, "FRAMEWORK_URL": shop.cli.url}
    content = os.urandom(300_000)
    copied = subprocess.run([*command, "-i", group, "cat"], input=content, env=settings, capture_output=True)
    assert (copied.returncode, copied.stdout == content) == (0, True)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    shell = subprocess.Popen([*command, "-t", group, "sh"], stdin=theirs, stdout=theirs, stderr=theirs, env=settings)
    read_until(ours, b"# ")
    os.write(ours, b"sh -c 'stty size; exec sleep 1000'\n")
    read_until(ours, b"30 100")
    os.write(ours, b"\x03")
    read_until(ours, b"# ")
    os.write(ours, b"exit 5\n")
    assert shell.wait(30) == 5


@pytest.mark.parametrize("group", ["shop/web", "shop/job"])
def test_who_goes_away_leaves_no_command_where_the_task_runs(group: str, shop: Shop) -> None:
    sleep = f"sleep {100_000 + os.getpid()}"  # of this test's alone among all processes of the machine
    command = [sys.executable, "-m", "framework.cli.main", "exec", group, "sh", "-c", f"echo up; exec {sleep}"]
    settings = {**os.environ, "FRAMEWORK_URL": shop.cli.url}

    def processes() -> list[str]:
        return subprocess.run(["ps", "-e", "-o", "args"], capture_output=True, text=True).stdout.splitlines()

    waiting = subprocess.Popen(command, env=settings, stdout=subprocess.PIPE)
    assert waiting.stdout is not None
    assert waiting.stdout.readline() == b"up\n"
    eventually(lambda: sleep in processes(), "the command runs")
    waiting.kill()
    waiting.wait(10)
    waiting.stdout.close()

    eventually(lambda: sleep not in processes(), "the command is gone")


def read_until(descriptor: int, wanted: bytes, seconds: float = 30) -> None:
    """Reads from a terminal until these bytes came."""
    found, end = b"", time.monotonic() + seconds
    while wanted not in found:
        left = end - time.monotonic()
        assert left > 0, f"{wanted!r} did not come, but {found!r}"
        if select.select([descriptor], [], [], left)[0]:
            found += os.read(descriptor, 4096)
