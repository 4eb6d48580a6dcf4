"""Rollouts on real Mesos and Docker, as users see them: what serves meanwhile, how each failure ends, what is said."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
import requests

from framework.local.cluster import Cluster
from tests.kit.cli import Cli, eventually
from tests.kit.cluster import running_cluster

pytestmark = [pytest.mark.cluster, pytest.mark.docker, pytest.mark.zookeeper]

IMAGE = "framework-demo/busybox:1"
SLEEP = "sleep 3600"
STUBBORN = "trap '' TERM; while true; do sleep 1; done"
PROMPT = "{parallelism: 1, max_surge: 1, monitor: 1s, max_failures: 0}"
PATIENCE = ("--wait", "--timeout", "90s")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, images: None) -> Iterator[Cluster]:
    flags = {"session-timeout": "4s"}
    pings = {"agent_ping_timeout": "2secs", "max_agent_ping_timeouts": 3}
    directory = tmp_path_factory.mktemp("rollouts")
    with running_cluster(directory, agents=2, schedulers=2, scheduler_flags=flags, master_flags=pings) as cluster:
        yield cluster


@pytest.fixture
def cli(cluster: Cluster) -> Cli:
    return Cli(cluster.url)


class Stack:
    """A stack of one service web, and what is there of it."""

    def __init__(self, cli: Cli, name: str, directory: Path) -> None:
        self.cli, self.name, self._path = cli, name, directory / f"{name}.yml"

    def submit(
        self,
        version: int,
        update: str = PROMPT,
        *words: str,
        code: int = 0,
        image: str = IMAGE,
        command: str = SLEEP,
        instances: int = 3,
        more: str = "",
        grace: str = "2s",
    ) -> str:
        """Submits the service so; returns what the command says."""
        service = {
            "image": image,
            "command": ["sh", "-c", command],
            "init": command == SLEEP,
            "environment": {"VERSION": str(version)},
            "stop": {"grace": grace},
            "resources": {"cpus": 0.05, "memory": "16M"},
            "instances": instances,
        }
        text = "\n".join(f"    {key}: {json.dumps(value)}" for key, value in service.items())
        self._path.write_text(f"services:\n  web:\n{text}\n    update: {update}\n{more}", encoding="utf-8")
        done = self.cli.run("submit", str(self._path), "--name", self.name, *words, code=code)
        return done.stdout + done.stderr

    def ask(self, action: str) -> None:
        self.cli.run("rollout", action, self.name)

    @property
    def tasks(self) -> list[dict[str, Any]]:
        return self.cli.tasks(self.name)

    @property
    def ids(self) -> list[str]:
        return sorted(task["id"] for task in self.tasks if task["state"] == "RUNNING" and task["goal"] == "RUN")

    @property
    def versions(self) -> list[str]:
        return sorted({task["version"] for task in self.tasks})

    @property
    def progress(self) -> Any:
        """How far the rollout of now is with it; None where there is none."""
        return self.cli.json("rollout", "status", self.name)["rollout"]["groups"][0]["progress"]

    def reaches(self, state: str, changed: int, step: int = 0) -> None:
        def is_there() -> bool:
            now = self.progress
            return (now["state"], now["changed"], now["step"]) == (state, changed, step)

        eventually(is_there, f"{self.name} is {state} with {changed} changed, in step {step}", 30)

    def gone(self) -> None:
        self.cli.run("remove", self.name, "--yes", "--wait")


class Counted:
    """Counts, as long as it is entered, how many tasks there are, and how many are ready."""

    def __init__(self, stack: Stack) -> None:
        self._url = f"{stack.cli.url}/v1/tasks?pattern={stack.name}"
        self.fewest, self.most, self.looks = 1_000, 0, 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._count, daemon=True)

    def __enter__(self) -> Counted:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _fault: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(20)

    def _count(self) -> None:
        while not self._over.wait(0.05):
            tasks = requests.get(self._url, timeout=10).json()["tasks"]
            self.looks += 1
            self.most = max(self.most, len(tasks))
            self.fewest = min(self.fewest, sum(task["is_ready"] and task["goal"] == "RUN" for task in tasks))


@pytest.fixture
def web(cli: Cli, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """Three that run, of version 1."""
    stack = Stack(cli, request.node.name.removeprefix("test_").replace("_", "-")[:24].strip("-"), tmp_path)
    stack.submit(1, PROMPT, *PATIENCE)
    yield stack
    stack.gone()


def test_start_first_misses_none(web: Stack) -> None:
    before = web.ids
    with Counted(web) as counted:
        said = web.submit(2, PROMPT, *PATIENCE)
    assert (counted.fewest, counted.most) == (3, 4), said
    assert counted.looks > 10
    assert len(web.ids) == 3 and not set(web.ids) & set(before)
    assert web.cli.json("rollout", "history", web.name)["rollouts"][0]["state"] == "done"


def test_stop_first_has_one_less(web: Stack) -> None:
    with Counted(web) as counted:
        web.submit(2, PROMPT.replace("max_surge: 1", "order: stop-first"), *PATIENCE)
    assert (counted.fewest, counted.most) == (2, 3)
    assert len(web.ids) == 3 and len(web.versions) == 1


def test_an_image_that_is_not_there(web: Stack) -> None:
    before = web.ids
    said = web.submit(2, PROMPT, *PATIENCE, code=1, image="127.0.0.1:1/nothing:1")
    assert f"of {web.name} failed: {web.name}/web: a new task failed" in said
    assert "127.0.0.1:1/nothing:1" in said.partition("failed: ")[2]
    assert web.ids == before, "what runs was not touched"
    assert web.progress["state"] == "failed"
    web.ask("rollback")
    web.cli.run("rollout", "watch", web.name)
    assert web.ids == before


def test_a_crash_goes_back(web: Stack) -> None:
    before = web.ids
    update = PROMPT.replace("}", ", wait: 2s, on_failure: rollback}")
    said = web.submit(2, update, *PATIENCE, code=1, command="exit 3")
    assert "was rolled back" in said and "All is as it was before" in said
    assert web.ids == before, "what was still as it was is kept"
    states = [each["state"] for each in web.cli.json("rollout", "history", web.name)["rollouts"]]
    assert states == ["done", "rolled back"]


def test_one_that_never_gets_healthy_goes_back(web: Stack) -> None:
    before = web.ids
    check = '    health: {command: ["false"], interval: 500ms, grace: 1s, failures: 2}\n'
    said = web.submit(2, PROMPT.replace("}", ", on_failure: rollback}"), *PATIENCE, code=1, more=check)
    assert "was rolled back" in said and "unhealthy: 2 checks failed in a row" in said
    assert web.ids == before


def test_one_that_crashes_after_a_while_has_failed_too(web: Stack) -> None:
    """It was ready for longer than an ordinary change waits, and had not taken the place yet."""
    before = web.ids
    said = web.submit(2, PROMPT.replace("}", ", wait: 6s}"), *PATIENCE, code=1, command="sleep 3; exit 4")
    assert "exit code 4" in said.partition("failed: ")[2]
    assert web.ids == before


def test_one_that_exits_with_0_has_failed_too(web: Stack) -> None:
    before = web.ids
    said = web.submit(2, PROMPT.replace("}", ", wait: 2s}"), *PATIENCE, code=1, command="exit 0")
    assert "failed: " in said
    assert web.ids == before


def test_one_that_does_not_hear_term_is_killed_after_its_grace(web: Stack) -> None:
    web.submit(2, PROMPT, *PATIENCE, command=STUBBORN)
    with Counted(web) as counted:
        web.submit(3, PROMPT, *PATIENCE)
    assert counted.fewest == 3
    assert counted.most == 4, "those that are being stopped count too"
    assert 137 in [task["exit_code"] for task in web.cli.ended(web.name)]


def test_a_second_submit_in_the_middle(web: Stack) -> None:
    first = web.versions
    web.submit(2, PROMPT.replace("}", ", steps: [1, pause]}"))
    web.reaches("running", 1, step=2)
    second = [version for version in web.versions if version not in first]
    with Counted(web) as counted:
        web.submit(3, PROMPT, *PATIENCE)
    assert counted.fewest == 3
    assert len(web.ids) == 3
    assert len(web.versions) == 1 and web.versions[0] not in (*first, *second)
    lines = web.cli.json("rollout", "history", web.name)["rollouts"]
    assert [each["state"] for each in lines] == ["done", "superseded"]
    said = web.cli.run("rollout", "watch", web.name, "--number", str(lines[1]["number"]), code=1).stderr
    assert f"was superseded by {lines[0]['number']}" in said


def test_steps_are_paused_resumed_and_promoted(web: Stack) -> None:
    web.submit(2, PROMPT.replace("}", ", steps: [1, pause, 2, pause]}"))
    web.reaches("running", 1, step=2)
    assert "waits for `framework rollout promote`" in web.progress["cause"]
    web.ask("pause")
    assert web.progress["state"] == "paused" and web.progress["cause"].startswith("paused by ")
    assert "paused by " in web.cli.run("explain", f"{web.name}/web").stdout
    web.ask("promote")
    web.reaches("paused", 1, step=3)
    web.ask("resume")
    web.reaches("running", 2, step=4)
    web.ask("promote")
    web.cli.run("rollout", "watch", web.name)
    assert len(web.versions) == 1


def test_what_can_never_move_ends_at_its_deadline(web: Stack) -> None:
    unique = "    constraints: [hostname UNIQUE]\n"
    web.submit(2, PROMPT, *PATIENCE, instances=2, more=unique)
    before = web.ids
    update = "{min_healthy: 100%, parallelism: 1, monitor: 1s, deadline: 8s}"
    said = web.submit(3, update, *PATIENCE, code=1, instances=2, more=unique)
    assert "no progress for 8 s (deadline): 0/2 agents fit" in said
    assert web.ids == before


def test_the_leader_is_killed_in_the_middle(web: Stack, cluster: Cluster) -> None:
    web.submit(2, PROMPT.replace("}", ", wait: 2s}"))
    web.reaches("running", 1)
    leader = web.cli.json("leader")["leader"]
    daemons = {daemon.address: daemon for daemon in cluster.of_kind("scheduler")}
    killed = daemons.pop(leader)
    killed.kill()
    (standby,) = daemons
    web.cli = Cli(f"http://{standby}")
    eventually(lambda: web.cli.run("ls", code=None).returncode == 0, "the standby leads", 30)
    with Counted(web) as counted:
        web.cli.run("rollout", "watch", web.name, "--timeout", "60s")
    assert counted.fewest == 3
    assert len(web.ids) == 3 and len(web.versions) == 1
    killed.start().wait()


def test_an_agent_dies_in_the_middle(web: Stack, cluster: Cluster) -> None:
    web.submit(2, PROMPT.replace("}", ", wait: 2s}"))
    web.reaches("running", 1)
    lost = next(task["agent"] for task in web.tasks if task["id"] in web.ids)
    agent = cluster.daemon(lost)
    agent.kill()
    web.cli.run("rollout", "watch", web.name, "--timeout", "90s")
    there = [task for task in web.tasks if task["id"] in web.ids]
    assert len(there) == 3 and lost not in {task["agent"] for task in there}
    assert len({task["version"] for task in there}) == 1
    agent.start().wait()
    eventually(lambda: len(web.tasks) == 3, f"what came back with {lost} is stopped", 60)


def test_what_drains_is_followed_before_it_has_ended(web: Stack, cluster: Cluster) -> None:
    web.submit(2, PROMPT, *PATIENCE, command=STUBBORN, grace="12s")
    left = web.tasks[0]["agent_id"]
    leaving = {task["id"] for task in web.tasks if task["agent_id"] == left}
    drain = {"type": "DRAIN_AGENT", "drain_agent": {"agent_id": {"value": left}}}
    request = urllib.request.Request(
        f"http://{cluster.wait_for_leader().address}/api/v1",
        json.dumps(drain).encode(),
        {"Content-Type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=10).close()

    def is_followed() -> bool:
        elsewhere = [task for task in web.tasks if task["agent_id"] != left and task["id"] in web.ids]
        return len(elsewhere) == 3

    eventually(is_followed, f"three run elsewhere, {leaving} are being stopped", 40)
    assert leaving <= {task["id"] for task in web.tasks}, "they have 12 s, and live still"
    eventually(lambda: len(web.tasks) == 3, f"{leaving} are gone", 40)
