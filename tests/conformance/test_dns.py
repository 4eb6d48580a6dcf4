"""`framework dns`, a process of its own, before a real ZooKeeper; and containers that ask it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode
import pytest

from discovery.backends.zookeeper import ZooKeeper
from framework.cli.domains import DEFAULT_DOMAIN
from framework.local import engine
from framework.local.daemon import Daemon
from framework.local.paths import cache_home
from framework.local.ports import is_free
from specs.urls import parse_url
from tests.kit.cli import Cli, eventually
from tests.kit.cluster import NewCluster, running_zookeeper
from tests.kit.named_endpoints import endpoint

SECONDS = 20.0
PORT_SECONDS = 120.0
"""Containers ask port 53 of one address of this machine: so long another run of these tests may have it."""
NAME = "pricing.abc.service.framework.internal"


@contextlib.contextmanager
def running(log: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """`framework dns` with these options, ended as an operator would end it."""
    command = [sys.executable, "-m", "framework.cli.main", "dns", *words]
    with (
        log.open("wb") as output,
        subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ}) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            code = process.wait(SECONDS)
    assert code == 0, log.read_text()
    assert "Traceback" not in log.read_text()


def ask(host: str, name: str = NAME) -> dns.message.Message | None:
    """The server's answer; None if it is not there."""
    try:
        return dns.query.udp(dns.message.make_query(name, "A"), host, port=5300, timeout=2)
    except (OSError, dns.exception.Timeout):
        return None


def addresses(host: str, name: str = NAME) -> list[str]:
    said = ask(host, name)
    return sorted(str(each) for record in said.answer for each in record) if said else []


def figures(host: str) -> dict[str, float]:
    text = urllib.request.urlopen(f"http://{host}:5380/metrics", timeout=SECONDS).read().decode()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines()}


@pytest.mark.zookeeper
def test_names_follow_what_is_published_and_stay_while_zookeeper_is_away(tmp_path: Path) -> None:
    with running_zookeeper(tmp_path / "zookeeper") as server:
        host = server.address.replace(".0.1:2181", ".3.1")
        url = f"zk://{server.address}/exam"
        where = ("--listen", f"{host}:5300", "--metrics", f"{host}:5380", "--forward", "none")
        with running(tmp_path / "log", "--zk", url, *where):
            eventually(lambda: (said := ask(host)) and said.rcode() == dns.rcode.NXDOMAIN, "an answer", SECONDS)
            one = endpoint("abc/pricing", 0, address="10.0.0.1")
            with contextlib.closing(_Publisher(url)) as executor, contextlib.closing(_Publisher(url)) as other:
                executor.registry.publish(one)
                other.registry.publish(endpoint("abc/pricing", 1, address="10.0.0.2"))
                other.registry.publish(endpoint("xyz/pricing", 0, address="10.0.0.3"))
                eventually(lambda: addresses(host) == ["10.0.0.1", "10.0.0.2"], "both tasks", SECONDS)
                eventually(lambda: addresses(host, NAME.replace("abc", "xyz")) == ["10.0.0.3"], "the other", SECONDS)
                executor.registry.withdraw(one.task_id, lambda: None)
                eventually(lambda: addresses(host) == ["10.0.0.2"], "one task less", SECONDS)
                _forget_and_remember(server, host, executor)


class _Publisher:
    def __init__(self, url: str) -> None:
        self.registry = ZooKeeper(parse_url(url, "zk"))

    def close(self) -> None:
        self.registry.close(SECONDS)


def _forget_and_remember(server: Daemon, host: str, executor: _Publisher) -> None:
    server.kill()
    eventually(lambda: figures(host)["framework_dns_zookeeper_up"] == 0, "it is noticed", SECONDS)
    assert addresses(host) == ["10.0.0.2"], "what was last known"
    executor.registry.publish(endpoint("abc/pricing", 0, address="10.0.0.4", serial=2))
    server.start().wait()
    eventually(lambda: addresses(host) == ["10.0.0.2", "10.0.0.4"], "what changed meanwhile", SECONDS)
    assert figures(host)["framework_dns_endpoints"] == 3


STACK = """
services:
  pricing:
    image: framework-demo/busybox:1
    command: >-
      sh -c 'trap "exit 0" TERM; mkdir -p /www; echo "$$FRAMEWORK_STACK" > /www/index.html;
      httpd -f -p 80 -h /www & wait'
    ports: {http: 80}
    health: {http: /, interval: 1s, grace: 30s}
    stop: {grace: 1s}
  web:
    image: framework-demo/busybox:1
    command: sleep 3600
    stop: {grace: 1s}
    groups:
      - {labels: [bridge]}
      - {labels: [host], network: host}
      - {labels: [own], dns: 192.0.2.53, dns_search: example.org, dns_opt: ["ndots:2"]}
  sick:
    image: framework-demo/busybox:1
    command: sleep 3600
    ready: {command: "false", interval: 1s}
    stop: {grace: 1s}
"""


@pytest.fixture
def bridge(docker_engine: None) -> Iterator[str]:
    """The address at which containers ask, for this test alone."""
    address = engine.bridge_address()
    with (cache_home() / "dns.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        eventually(
            lambda: is_free(f"{address}:53"), f"{address}:53 is free; a cluster of `local up --dns`?", PORT_SECONDS
        )
        yield address


def inside(stack: str, labels: str, *command: str) -> str:
    """The output of a command in the container of web with these labels."""
    words = ["docker", "ps", "--filter", f"name={stack}.web.{labels}.", "--format", "{{.Names}}"]
    (container,) = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    done = subprocess.run(["docker", "exec", container, *command], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.mark.cluster
@pytest.mark.docker
def test_a_service_is_reached_by_its_mere_name_and_stacks_of_one_file_do_not_see_each_other(
    new_cluster: NewCluster, images: None, bridge: str, tmp_path: Path
) -> None:
    cluster = new_cluster(schedulers=1, agents=1, dns=bridge)
    cli = Cli(cluster.url)
    (tmp_path / "stack.yml").write_text(STACK)
    for stack in ("abc", "xyz"):
        cli.run("submit", str(tmp_path / "stack.yml"), "--name", stack)
    eventually(lambda: [task["state"] for task in cli.tasks()] == ["RUNNING"] * 10, "all run", 90)
    name = f"pricing.abc.service.{DEFAULT_DOMAIN}"
    for each in (name, name.replace("abc", "xyz")):
        eventually(partial(at_port_53, bridge, each), "both are in DNS", 60)
    for stack in ("abc", "xyz"):
        pages = {inside(stack, labels, "wget", "-qO-", "http://pricing/") for labels in ("bridge", "host")}
        assert pages == {f"{stack}\n"}
        assert inside(stack, "bridge", "wget", "-qO-", f"http://{name}/") == "abc\n", "another by its whole name"
    assert resolver("abc", "bridge") == resolver("abc", "host")
    assert resolver("abc", "bridge") == {"nameserver": bridge, "search": f"abc.service.{DEFAULT_DOMAIN}"}
    own = {"nameserver": "192.0.2.53", "search": "example.org", "options": "ndots:2"}
    assert resolver("abc", "own") == own
    assert at_port_53(bridge, f"sick.abc.service.{DEFAULT_DOMAIN}") == []
    assert len(at_port_53(bridge, f"sick.abc.all.{DEFAULT_DOMAIN}")) == 1


def at_port_53(host: str, name: str) -> list[str]:
    said = dns.query.udp(dns.message.make_query(name, "A"), host, timeout=SECONDS)
    return [str(each) for record in said.answer for each in record]


def resolver(stack: str, labels: str) -> dict[str, str]:
    lines = inside(stack, labels, "cat", "/etc/resolv.conf").splitlines()
    return {word: rest for word, _, rest in (line.partition(" ") for line in lines) if not word.startswith("#")}
