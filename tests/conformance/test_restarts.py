"""Restarts on real Mesos, ZooKeeper and Docker: each policy, what trying again does not mend, and a wait that survives
its leader."""

from __future__ import annotations

import http.server
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from framework.local.cluster import Cluster
from tests.kit.cli import Cli, eventually
from tests.kit.cluster import running_cluster

pytestmark = [pytest.mark.cluster, pytest.mark.docker, pytest.mark.zookeeper]

BUSYBOX = "framework-demo/busybox:1"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, images: None) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("restarts"), schedulers=2, agents=2) as cluster:
        yield cluster


@pytest.fixture
def cli(cluster: Cluster) -> Iterator[Cli]:
    """The command line; whatever a test submitted is removed at its end."""
    yield _cli(cluster)
    cli = _cli(cluster)  # the scheduler that was asked before may be gone
    for stack in cli.json("ls")["stacks"]:
        cli.run("remove", stack["name"], "--yes", "--wait", code=None)


def _cli(cluster: Cluster) -> Cli:
    """The command line against a scheduler that runs."""
    addresses = [each.address for each in cluster.of_kind("scheduler") if each.state == "running"]
    return Cli(f"http://{addresses[0]}")


def submit(cli: Cli, directory: Path, name: str, services: str) -> None:
    path = directory / f"{name}.yml"
    path.write_text(f"services:\n{services}", encoding="utf-8")
    cli.run("submit", str(path), "--name", name)


def service(name: str, settings: str) -> str:
    return f"  {name}: {{resources: {{cpus: 0.1, memory: 16M}}, {settings}}}\n"


def groups(cli: Cli, stack: str) -> dict[str, dict[str, Any]]:
    answer = cli.json("info", stack)
    return {group["service"]: group for group in answer["groups"]}


def waiting(cli: Cli, pattern: str) -> list[dict[str, Any]]:
    return list(cli.json("ps", pattern)["waiting"])


@pytest.fixture
def registry() -> Iterator[str]:
    """HOST:PORT of a registry that has no image."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}'
            self.send_response(200 if self.path == "/v2/" else 404)
            self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - the library's name

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_each_policy_with_each_end(cli: Cli, tmp_path: Path) -> None:
    policies = {"always": "always", "onfailure": "on-failure", "never": "never"}
    services = ""
    for name, policy in policies.items():
        for code in (0, 1):
            restart = f"{{policy: {policy}, delay: 1s, factor: 1}}"
            services += service(
                f"{name}{code}", f"image: '{BUSYBOX}', command: [sh, -c, exit {code}], restart: {restart}"
            )
    submit(cli, tmp_path, "ends", services)
    eventually(lambda: _ends(cli, "always0") >= 3 and _ends(cli, "always1") >= 3, "always: again and again")
    eventually(lambda: _ends(cli, "onfailure1") >= 3, "on-failure: again and again")
    is_over = {"onfailure0": "FINISHED", "never0": "FINISHED", "never1": "FAILED"}
    eventually(lambda: all(groups(cli, "ends")[name]["state"] == "finished" for name in is_over), "the others are over")
    for name, state in is_over.items():
        (task,) = cli.ended(f"ends/{name}")
        assert task["state"] == state


def _ends(cli: Cli, service: str) -> int:
    """How many tasks of the service have ended, as far as they are kept."""
    return len(cli.ended(f"ends/{service}"))


def test_a_slot_is_given_up_after_its_attempts_and_tried_again_on_request(cli: Cli, tmp_path: Path) -> None:
    settings = f"image: '{BUSYBOX}', command: [sh, -c, exit 3], restart: {{attempts: 2, max_delay: 2s}}"
    submit(cli, tmp_path, "few", service("work", settings))
    eventually(lambda: groups(cli, "few")["work"]["state"] == "failed", "the slot is given up")
    (line,) = waiting(cli, "few")
    assert line["is_final"] and line["cause"].startswith(
        "failed: 3 attempts, none of which ran for 5 min; the last: exit"
    )
    assert "3 attempts" in cli.run("explain", "few/work", code=1).stdout
    assert len(cli.ended("few")) == 3
    cli.run("reset-backoff", "few")
    eventually(lambda: len(cli.ended("few")) > 3, "it is tried again")


@pytest.mark.parametrize(
    ("settings", "word", "said"),
    [
        ("image: '{registry}/acme/web:9'", "image-not-found", "manifest unknown"),
        ("image: 'framework-demo/no-such-image:1', pull: never", "image-absent", "is not on this agent"),
        ("image: '{busybox}', command: [no-such-program]", "bad-command", "no-such-program"),
    ],
)
def test_what_trying_again_does_not_mend(
    cli: Cli, tmp_path: Path, registry: str, settings: str, word: str, said: str
) -> None:
    settings = settings.format(registry=registry, busybox=BUSYBOX)
    submit(cli, tmp_path, "lost", service("work", f"{settings}, restart: {{max_delay: 2s}}"))
    eventually(lambda: groups(cli, "lost")["work"]["state"] == "failed", "the group gives up", 120)
    (line,) = waiting(cli, "lost")
    assert line["cause"].startswith("gave up after ") and said in line["cause"] and line["is_final"]
    assert {task["permanent"] for task in cli.ended("lost")} == {word}
    assert {task["state"] for task in cli.ended("lost")} == {"FAILED"}


def test_a_wait_survives_its_leader(cli: Cli, cluster: Cluster, tmp_path: Path) -> None:
    settings = f"image: '{BUSYBOX}', command: [sh, -c, exit 1], restart: {{delay: 10m, max_delay: 10m}}"
    submit(cli, tmp_path, "slow", service("work", settings))
    backoff = eventually(lambda: (found := waiting(cli, "slow")) and found[0]["backoff"], "it waits")
    leader = cli.json("leader")["leader"]
    daemon = next(each for each in cluster.of_kind("scheduler") if each.address == leader)
    other = next(each for each in cluster.of_kind("scheduler") if each.address != leader)
    daemon.kill(signal.SIGKILL)
    next_one = Cli(f"http://{other.address}")
    found = eventually(
        lambda: (
            next_one.run("ps", "slow", code=None).returncode == 0
            and (lines := waiting(next_one, "slow"))
            and lines[0]["backoff"]
        ),
        "the next leader shows the wait",
    )
    assert found == backoff
    text = next_one.run("ps", "slow").stdout
    assert "waits " in text and "(of 10m, 1 failure) after: exit code 1" in text
    next_one.run("remove", "slow", "--yes", "--wait")
    daemon.start().wait()
