"""`framework dns`, a process of its own, before a real ZooKeeper."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode
import pytest

from discovery.zookeeper import ZooKeeper
from framework.local.daemon import Daemon
from specs.urls import parse_url
from tests.kit.cli import eventually
from tests.kit.cluster import running_zookeeper
from tests.unit.discovery.samples import endpoint

SECONDS = 20.0
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
    """What the server says; None where it is not there."""
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
