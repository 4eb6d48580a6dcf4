"""Three schedulers on a real cluster: any of them answers, leadership is handed over, taken over, and never shared."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from kazoo.client import KazooClient

from framework.adapters.zookeeper import ZooKeeperStore
from framework.cli.retrying import Retry
from framework.cli.server import Address, Server
from framework.exits import ServerExit
from framework.local.cluster import Cluster
from framework.local.daemon import Daemon, get_json, http_status
from framework.ports import StoreFault
from tests.kit.cli import Cli, eventually
from tests.kit.cluster import running_cluster

pytestmark = [pytest.mark.cluster, pytest.mark.zookeeper]

SESSION_SECONDS = 4
HAND_OVER_SECONDS = SESSION_SECONDS / 2
"""A planned hand-over, until the next leader has subscribed: some 0.4 s as docs/benchmarks.md has it."""
STACK = "services: {{work: {{command: sleep 600, resources: {{cpus: 0.05, memory: 8M}}, instances: {count}}}}}"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    flags = {"session-timeout": f"{SESSION_SECONDS}s", "executor-idle": "5s"}
    directory = tmp_path_factory.mktemp("leader")
    with running_cluster(directory, schedulers=3, scheduler_flags=flags) as cluster:
        eventually(lambda: len(standing(cluster)["standbys"]) == 2, "two stand by")
        yield cluster


def standing(cluster: Cluster) -> Any:
    """The answer to `GET /v1/leader` of the first scheduler that answers."""
    for daemon in cluster.of_kind("scheduler"):
        if daemon.state == "running" and (answer := daemon.get("/v1/leader")) is not None:
            return answer
    return {"leader": None, "standbys": [], "epoch": 0}


def leads(address: str) -> bool:
    """Whether the scheduler leads and is subscribed."""
    return http_status(f"http://{address}/v1/ready") == 200


def at(address: str) -> Cli:
    return Cli(f"http://{address}")


def known_to_mesos(cluster: Cluster, prefix: str) -> list[str]:
    """The tasks of ours that Mesos counts as living."""
    leader = cluster.leader()
    assert leader is not None
    frameworks = leader.get("/state")["frameworks"]
    return [task["id"] for each in frameworks for task in each["tasks"] if task["id"].startswith(prefix)]


def write(directory: Path, count: int) -> str:
    path = directory / "stack.yml"
    path.write_text(STACK.format(count=count), encoding="utf-8")
    return str(path)


def running(cli: Cli, name: str) -> list[str]:
    return sorted(task["id"] for task in cli.tasks(name) if task["state"] == "RUNNING")


class Follower:
    """`framework events -f`, asked of one scheduler."""

    def __init__(self, address: str, output: Path) -> None:
        self._output = output
        with output.open("wb") as file:
            command = [sys.executable, "-m", "framework.cli.main", "events", "-f", "--url", address]
            self._process = subprocess.Popen(command, stdout=file, stderr=subprocess.DEVNULL)

    @property
    def text(self) -> str:
        return self._output.read_text()

    def has_heard(self, *words: str) -> bool:
        return all(word in self.text for word in words)

    def close(self) -> None:
        self._process.kill()
        self._process.wait(10)


@pytest.fixture
def follow(tmp_path: Path) -> Iterator[Callable[[str], Follower]]:
    """Starts followers of the schedulers with these addresses."""
    with contextlib.ExitStack() as stack:

        def start(address: str) -> Follower:
            follower = Follower(address, tmp_path / f"events-of-{address}")
            stack.callback(follower.close)
            return follower

        yield start


def test_any_scheduler_answers_any_request(cluster: Cluster, tmp_path: Path, follow: Callable[[str], Follower]) -> None:
    leader = standing(cluster)["leader"]
    addresses = [daemon.address for daemon in cluster.of_kind("scheduler")]
    followers = [follow(address) for address in addresses]
    file = write(tmp_path, 1)
    for number, address in enumerate(addresses):
        at(address).run("submit", file, "--name", f"any{number}", "--wait")
    for address, follower in zip(addresses, followers, strict=True):
        tasks = at(address).tasks("any*")
        assert sorted(task["id"].partition(".")[0] for task in tasks) == ["any0", "any1", "any2"]
        headers = requests.get(f"http://{address}/v1/stacks", timeout=10).headers
        assert headers["X-Framework-Leader"] == leader
        assert ("X-Framework-Proxied-By" in headers) is (address != leader)
        eventually(functools.partial(follower.has_heard, "any0.", "any1.", "any2."), "the stream tells of all three")
    standby = next(address for address in addresses if address != leader)
    with urllib.request.urlopen(f"http://{standby}/v1/tasks?stale=ok", timeout=10) as answer:
        assert float(answer.headers["X-Framework-Age"]) < 10
        assert len(json.load(answer)["tasks"]) == 3
    at(standby).run("remove", "any0", "--yes")
    at(leader).run("remove", "any1", "--yes")
    at(standby).run("remove", "any2", "--yes", "--wait")


def test_a_planned_hand_over_takes_no_session_time_out_and_keeps_every_task(cluster: Cluster, tmp_path: Path) -> None:
    before = standing(cluster)
    old, new = before["leader"], before["standbys"][1]["address"]
    pid = next(daemon.pid for daemon in cluster.of_kind("scheduler") if daemon.address == old)
    at(old).run("submit", write(tmp_path, 3), "--name", "handed", "--wait")
    tasks = running(at(old), "handed")
    begin = time.monotonic()
    answer = requests.post(f"http://{new}/v1/leader/step-down", json={"to": new}, timeout=10)
    assert answer.status_code == 202
    eventually(lambda: leads(new), "the standby leads", 20)
    took = time.monotonic() - begin
    assert took < HAND_OVER_SECONDS, f"{took:.2f} s"
    assert running(at(new), "handed") == tasks
    eventually(lambda: len(standing(cluster)["standbys"]) == 2, "the old leader stands by")
    after = at(old).json("leader")
    assert (after["leader"], after["epoch"]) == (new, before["epoch"] + 1)
    assert pid == next(daemon.pid for daemon in cluster.of_kind("scheduler") if daemon.address == old)
    said = at(old).run("leader", "step-down", "--to", old).stdout
    assert said.startswith(f"{old} leads, epoch {before['epoch'] + 2}, after ")
    eventually(lambda: leads(old), "it has subscribed")
    eventually(lambda: len(standing(cluster)["standbys"]) == 2, "the other stands by again")
    assert running(at(new), "handed") == tasks
    at(new).run("remove", "handed", "--yes", "--wait")


def test_the_leader_is_killed_during_20_launches_with_two_standbys(cluster: Cluster, tmp_path: Path) -> None:
    eventually(lambda: len(standing(cluster)["standbys"]) == 2, "two stand by")
    old = standing(cluster)["leader"]
    daemon = next(daemon for daemon in cluster.of_kind("scheduler") if daemon.address == old)
    at(old).run("submit", write(tmp_path, 20), "--name", "killed")
    daemon.kill(signal.SIGKILL)
    others = [each.address for each in cluster.of_kind("scheduler") if each.address != old]
    refused = requests.get(f"http://{others[0]}/v1/stacks", timeout=10)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    new = eventually(lambda: next(filter(leads, others), None), "one of the standbys leads", 30)
    tasks = eventually(lambda: (ids := running(at(new), "killed")) and len(ids) == 20 and ids, "all run", 60)
    slots = sorted(int(id.split(".")[-2]) for id in tasks)
    assert slots == list(range(20))
    assert sorted(known_to_mesos(cluster, "killed.")) == tasks, "none twice, none that is not known"
    daemon.start().wait()
    eventually(lambda: len(standing(cluster)["standbys"]) == 2, "it stands by")
    at(old).run("remove", "killed", "--yes", "--wait")


def test_changes_that_are_asked_for_during_a_fail_over_are_made_once_each(cluster: Cluster, tmp_path: Path) -> None:
    eventually(lambda: len(standing(cluster)["standbys"]) == 2, "two stand by")
    old = standing(cluster)["leader"]
    daemon = next(daemon for daemon in cluster.of_kind("scheduler") if daemon.address == old)
    standby = next(each.address for each in cluster.of_kind("scheduler") if each.address != old)
    at(standby).run("submit", write(tmp_path, 1), "--name", "busy")
    at(standby).run("stop", "busy")  # only the number counts here

    def one_more(number: int) -> int:
        server = Server(Address(f"http://{standby}", "the test"), None, Retry(seconds=60.0))
        body = {"pattern": "busy/work", "delta": 1, "message": f"the change numbered {number}"}
        return int(server.post("/v1/scale", body)["index"])

    with ThreadPoolExecutor(30) as pool:
        asked = [pool.submit(one_more, number) for number in range(15)]
        asked[0].result()
        daemon.kill(signal.SIGKILL)
        asked += [pool.submit(one_more, number) for number in range(15, 30)]
        said = at(standby).run("scale", "busy/work", "+1").stderr
        indices = [each.result() for each in asked]
    assert "trying again for up to 30 s\n" in said and "A scheduler has answered, after " in said
    assert len(set(indices)) == 30, "each answer is that of its own change"
    (group,) = requests.get(f"http://{standby}/v1/groups?pattern=busy", timeout=10).json()["groups"]
    assert group["instances"] == 1 + 30 + 1
    daemon.start().wait()
    eventually(lambda: len(standing(cluster)["standbys"]) == 2, "it stands by")
    at(old).run("remove", "busy", "--yes", "--wait")


class Started:
    """`framework scheduler` as a user starts it."""

    def __init__(self, cluster: Cluster, number: int, log: Path) -> None:
        self.address = f"{cluster.shape.scheduler_ip(10 + number)}:8080"
        self.log = log
        root = f"zk://{cluster.zookeeper_address}/{log.parent.name}"
        words = ["scheduler", "--zk", root, "--master", cluster.master_url]
        words += ["--bind", self.address, "--session-timeout", "2s", "--executor-idle", "5s", "--name", "own"]
        with log.open("wb") as file:
            command = [sys.executable, "-m", "framework.cli.main", *words]
            self.process = subprocess.Popen(command, stdout=file, stderr=file, env={**os.environ})

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait(10)


@pytest.fixture
def two(cluster: Cluster, tmp_path: Path) -> Iterator[tuple[Started, Started]]:
    """Two schedulers of a framework of their own: the one that leads, and the one that stands by."""
    with contextlib.ExitStack() as stack:
        started = []
        for number in (1, 2):
            each = Started(cluster, number, tmp_path / f"scheduler{number}.log")
            stack.callback(each.end)
            started.append(each)
            if number == 1:
                eventually(lambda: leads(started[0].address), "the first leads", 60)
        eventually(
            lambda: (
                [each["address"] for each in (get_json(f"http://{started[0].address}/v1/leader") or {})["standbys"]]
                == [started[1].address]
            ),
            "the second stands by",
            30,
        )
        first, second = started
        yield first, second
        eventually(lambda: leads(second.address), "the second leads", 30)
        at(second.address).run("remove", "*", "--yes", "--wait", code=None)
        teardown = f"frameworkId={get_json(f'http://{second.address}/v1/info')['framework_id']}".encode()
        second.end()
        leader = cluster.leader()
        assert leader is not None
        urllib.request.urlopen(f"http://{leader.address}/teardown", teardown, timeout=10).close()


def test_the_readme_start_a_second_one_kill_the_first(two: tuple[Started, Started], tmp_path: Path) -> None:
    first, second = two
    cli = at(second.address)
    cli.run("submit", write(tmp_path, 4), "--name", "shop", "--wait")
    tasks = running(cli, "shop")
    lines = cli.run("leader").stdout.splitlines()
    assert [line.split()[:2] for line in lines[1:3]] == [[first.address, "leads"], [second.address, "stands"]]
    first.process.send_signal(signal.SIGKILL)
    eventually(lambda: cli.run("ps", "shop", code=None).returncode == 0, "the second answers", 30)
    assert running(cli, "shop") == tasks
    assert cli.json("leader")["leader"] == second.address


def test_tasks_of_the_next_leader_run_under_the_executors_that_are_there(
    cluster: Cluster, two: tuple[Started, Started], tmp_path: Path
) -> None:
    first, second = two
    at(first.address).run("submit", write(tmp_path, 1), "--name", "same", "--wait")
    cli = at(second.address)
    (before,) = cli.tasks("same")
    first.process.send_signal(signal.SIGKILL)
    eventually(lambda: leads(second.address), "the second leads", 30)
    cli.run("scale", "same/work", "8", "--wait")
    tasks = cli.tasks("same")
    by_agent: dict[str, set[str]] = {}
    for task in tasks:
        by_agent.setdefault(task["agent"], set()).add(task["executor_id"])
    assert by_agent.pop(before["agent"]) == {before["executor_id"]}
    assert before["executor_id"].endswith(f"@{first.address.replace(':', '~')}")
    fresh = {id for ids in by_agent.values() for id in ids}
    assert {id.partition("@")[2] for id in fresh} <= {second.address.replace(":", "~")}, "the dead one serves nothing"
    leader = cluster.leader()
    assert leader is not None
    for framework in leader.get("/state")["frameworks"]:
        if framework["name"] == "own":
            assert len(framework["executors"]) == 1 + len(by_agent), "one on each agent"


def test_a_frozen_leader_that_wakes_does_nothing_and_ends(two: tuple[Started, Started], tmp_path: Path) -> None:
    first, second = two
    at(first.address).run("submit", write(tmp_path, 2), "--name", "frozen", "--wait")
    first.process.send_signal(signal.SIGSTOP)
    eventually(lambda: leads(second.address), "the second leads", 30)
    cli = at(second.address)
    tasks = running(cli, "frozen")
    assert len(tasks) == 2
    cli.run("scale", "frozen/work", "3", "--wait")
    stored = cli.json("leader")["epoch"]
    cli.run("scale", "frozen/work", "4")
    first.process.send_signal(signal.SIGCONT)
    assert first.process.wait(15) in (ServerExit.SESSION_LOST, ServerExit.LEADERSHIP_LOST)
    assert "stopping: " in first.log.read_text()
    eventually(lambda: len(running(cli, "frozen")) == 4, "all four run")
    assert set(tasks) < set(running(cli, "frozen"))
    assert cli.json("leader")["epoch"] == stored
    assert leads(second.address)
    told = cli.run("events").stdout
    assert (told.count("Subscribed"), told.count("Disconnected")) == (1, 0), "its subscription was left alone"


@contextlib.contextmanager
def store(url: str, holder: str) -> Iterator[ZooKeeperStore]:
    """A store of the scheduler with this address; what it posts goes nowhere."""
    opened = ZooKeeperStore(
        url,
        lambda _event: None,
        on_problem=lambda _problem: None,
        on_lost=lambda _message: None,
        holder=holder,
        session_seconds=float(SESSION_SECONDS),
    )
    with contextlib.closing(opened):
        yield opened


def standbys_of(opened: ZooKeeperStore) -> list[str]:
    return [each.address for each in opened.election.members().standbys]


def stand_by(opened: ZooKeeperStore) -> None:
    with contextlib.suppress(StoreFault):  # the test's end
        opened.load()


def test_a_standby_whose_session_expires_goes_on_standing_by(zookeeper: Daemon) -> None:
    url = f"zk://{zookeeper.address}/standby-{time.time_ns()}"
    with store(url, "one:80") as leader, store(url, "two:80") as standby, store(url, "three:80") as other:
        leader.load()
        loaded = [threading.Thread(target=stand_by, args=(each,), daemon=True) for each in (standby, other)]
        for thread in loaded:
            thread.start()

        eventually(lambda: standbys_of(leader) == ["three:80", "two:80"], "both stand by")
        session = standby.session
        thief = KazooClient(hosts=zookeeper.address, client_id=session, timeout=SESSION_SECONDS)
        thief.start(10)
        thief.stop()  # which ends the session
        eventually(
            lambda: standby.session not in (None, session) and len(standbys_of(leader)) == 2, "it stands by again", 20
        )
        assert leader.election.name_next("two:80")
        assert not leader.election.name_next("four:80")
        assert leader.election.confirm() and not standby.election.confirm()
        leader.close()
        eventually(lambda: standby.election.is_leader, "the one that was named leads", 10)
        loaded[0].join(10)
        assert (other.election.leader, other.election.is_standby) == ("two:80", True)
        assert other.election.term == standby.election.term != "", "both know whose leadership it is"
        assert standbys_of(standby) == ["three:80"]
        assert standby.peek() == other.peek()
