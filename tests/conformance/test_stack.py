"""A stack on real Mesos, ZooKeeper and Docker, as its user sees it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from framework.local.cluster import Cluster
from tests.kit.cli import EXAMPLES, Cli, containers, eventually
from tests.kit.cluster import NewCluster, running_cluster

pytestmark = [pytest.mark.cluster, pytest.mark.docker, pytest.mark.zookeeper]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, images: None) -> Iterator[Cluster]:
    flags = {"executor-idle": "5s"}
    with running_cluster(tmp_path_factory.mktemp("stack"), schedulers=1, scheduler_flags=flags) as cluster:
        yield cluster


@pytest.fixture
def cli(cluster: Cluster) -> Iterator[Cli]:
    """The command line; whatever a test submitted is removed at its end."""
    cli = Cli(cluster.url)
    yield cli
    for stack in cli.json("ls")["stacks"]:
        cli.run("remove", stack["name"], "--yes", "--wait", code=None)


def write(directory: Path, text: str, name: str = "stack.yml") -> str:
    path = directory / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return str(answer.read().decode())


def state_of(cluster: Cluster) -> dict[str, Any]:
    """The state from which Mesos's own web UI is made."""
    leader = cluster.leader()
    assert leader is not None
    state = json.loads(get(f"http://{leader.address}/state"))
    return next(dict(framework) for framework in state["frameworks"] if framework["name"] == "framework")


def test_the_example_from_submit_to_removed(cli: Cli, cluster: Cluster) -> None:
    cli.run("submit", str(EXAMPLES / "shop.yml"), "--name", "tour", "--wait")
    tasks = cli.tasks("tour")
    assert len(tasks) >= 8
    assert {task["service"] for task in tasks} == {"web", "auth", "catalogue", "pricing", "redis"}
    assert len({task["agent"] for task in tasks}) == 3
    assert {(task["state"], task["health"]) for task in tasks} == {("RUNNING", "HEALTHY")}
    web = next(task for task in tasks if task["group"].startswith("tour/web"))
    assert "web" in get(f"http://{web['endpoints'][0]}/")
    assert containers("tour") == sorted(task["id"] for task in tasks)

    again = cli.run("submit", str(EXAMPLES / "shop.yml"), "--name", "tour", "--wait")
    assert "unchanged" in again.stdout
    assert [task["id"] for task in cli.tasks("tour")] == [task["id"] for task in tasks]

    cli.run("scale", "tour/auth", "4", "--wait")
    assert len(cli.tasks("tour/auth")) == 4
    before = {task["id"] for task in cli.tasks("tour/pricing")}
    cli.run("restart", "tour/pricing", "--wait")
    after = {task["id"] for task in cli.tasks("tour/pricing")}
    assert len(after) == len(before) and not after & before
    cli.run("stop", "tour/auth", "--wait")
    assert cli.tasks("tour/auth") == []
    cli.run("start", "tour/auth", "--wait")
    assert len(cli.tasks("tour/auth")) == 4

    cli.run("remove", "tour", "--yes", "--wait")
    assert containers("tour") == []
    eventually(lambda: not state_of(cluster)["executors"], "the executors without tasks end")


def test_what_mesos_shows_of_it(cli: Cli, cluster: Cluster, tmp_path: Path) -> None:
    cli.run("submit", str(EXAMPLES / "shop.yml"), "--name", "seen", "--wait")
    framework = state_of(cluster)
    assert framework["webui_url"] == cluster.url
    assert (framework["checkpoint"], framework["failover_timeout"]) == (True, 604800)
    assert sorted(framework["capabilities"]) == [
        "GPU_RESOURCES",
        "MULTI_ROLE",
        "PARTITION_AWARE",
        "REGION_AWARE",
        "RESERVATION_REFINEMENT",
        "TASK_KILLING_STATE",
    ]
    assert "framework" in get(framework["webui_url"])
    redis = next(task for task in framework["tasks"] if task["id"].startswith("seen.redis."))
    labels = {label["key"]: label["value"] for label in redis["labels"]}
    assert "redis" in redis["name"] and "seen" in labels.values()
    (port,) = redis["discovery"]["ports"]["ports"]
    assert redis["discovery"]["name"] == "redis" and 31000 <= port["number"] <= 32999
    last = redis["statuses"][-1]
    assert last["state"] == "TASK_RUNNING" and last["healthy"] is True
    assert last["container_status"]["network_infos"][0]["ip_addresses"]


def test_scheduler_killed_while_20_tasks_start(cli: Cli, cluster: Cluster, tmp_path: Path) -> None:
    stack = """
services:
  many:
    image: framework-demo/busybox:1
    command: sh -c 'trap "exit 0" TERM; while :; do sleep 1 & wait $$!; done'
    network_mode: host
    resources: {cpus: 0.1, memory: 16M}
    instances: 20
"""
    cli.run("submit", write(tmp_path, stack), "--name", "killed")
    eventually(lambda: len(containers("killed")) >= 3, "the first containers are there")
    scheduler = cluster.daemons["scheduler1"]
    scheduler.kill(signal.SIGKILL)
    framework_id = state_of(cluster)["id"]
    scheduler.start().wait()

    def all_run() -> bool:
        tasks = cli.tasks("killed")
        return len(tasks) == 20 and {task["state"] for task in tasks} == {"RUNNING"}

    eventually(lambda: cli.run("ps", code=None).returncode == 0 and all_run(), "20 tasks run", 120)
    tasks = cli.tasks("killed")
    assert sorted(task["slot"] for task in tasks) == list(range(20)), "each slot once"
    assert containers("killed") == sorted(task["id"] for task in tasks), "as many containers as tasks"
    assert {task["attempt"] for task in tasks} == {1}, "none was started twice"
    assert state_of(cluster)["id"] == framework_id
    assert len([task for task in state_of(cluster)["tasks"] if task["state"] == "TASK_RUNNING"]) == 20


def test_an_image_that_does_not_exist_fails_with_the_engines_words_and_backs_off(cli: Cli, tmp_path: Path) -> None:
    stack = "services: {lost: {image: 'framework-demo/no-such-image:1', resources: {cpus: 0.1, memory: 16M}}}"
    cli.run("submit", write(tmp_path, stack), "--name", "lost")
    tasks = eventually(lambda: cli.ended("lost"), "the task has failed", 90)
    assert tasks[0]["state"] == "FAILED" and "framework-demo/no-such-image:1" in tasks[0]["message"]
    shown = eventually(
        lambda: (text := cli.run("ps", "lost").stdout) and "framework-demo/no-such-image:1" in text and text,
        "ps shows it",
    )
    assert "no-such-image" in shown


def test_exit_codes_and_logs_reach_the_user(cli: Cli, tmp_path: Path) -> None:
    stack = """
services:
  ends:
    image: framework-demo/busybox:1
    command: sh -c 'echo said on stdout; echo said on stderr >&2; exit 3'
    restart: "no"
    resources: {cpus: 0.1, memory: 16M}
  plain:
    command: sh -c 'echo I am $$FRAMEWORK_SERVICE on $$HOST with $$PORT0; exec sleep 600'
    ports: {main: 0}
    resources: {cpus: 0.1, memory: 16M}
"""
    cli.run("submit", write(tmp_path, stack), "--name", "logs")
    (ended,) = eventually(lambda: cli.ended("logs/ends"), "it has ended")
    assert ended["exit_code"] == 3 and "exit code 3" in ended["message"]
    assert "said on stdout" in cli.run("logs", ended["id"]).stdout
    assert "said on stderr" in cli.run("logs", ended["id"], "--stderr").stderr
    (plain,) = eventually(
        lambda: [task for task in cli.tasks("logs/plain") if task["state"] == "RUNNING"], "the process runs"
    )
    port = plain["endpoints"][0].split(":")[1]
    said = f"I am plain on {plain['agent']} with {port}"
    assert eventually(lambda: said in cli.run("logs", plain["id"]).stdout, "its output is in the logs")


def test_more_than_any_agent_has_is_refused_or_waits_with_the_cause(cli: Cli, tmp_path: Path) -> None:
    stack = "services: {big: {command: 'sleep 100', resources: {cpus: 64, memory: 16M}}}"
    file = write(tmp_path, stack)
    refused = cli.run("submit", file, "--name", "big", code=1)
    assert "big/big.resources.cpus: wanted 64, the most that an agent has is 4" in refused.stderr
    assert cli.json("ls")["stacks"] == []
    done = cli.run("submit", file, "--name", "big", "--anyway", "--wait", "--timeout", "3s", code=4)
    assert "0/3 agents fit: 3 cpus (wanted 64" in done.stdout + done.stderr


def test_a_service_changed_in_the_file_is_replaced_one_by_one(cli: Cli, tmp_path: Path) -> None:
    stack = """
services:
  web:
    image: framework-demo/busybox:1
    command: sh -c 'trap "exit 0" TERM; while :; do sleep 1 & wait $$!; done'
    environment: {LOG: info}
    resources: {cpus: 0.1, memory: 16M}
    instances: 3
"""
    file = write(tmp_path, stack)
    cli.run("submit", file, "--name", "change", "--wait")
    before = cli.tasks("change")
    plan = cli.run("plan", file, "--name", "change", "--set", "services.web.environment.LOG=debug").stdout
    assert "LOG" in plan
    cli.run("submit", file, "--name", "change", "--set", "services.web.environment.LOG=debug", "--wait")
    after = cli.tasks("change")
    assert len(after) == 3
    assert not {task["id"] for task in before} & {task["id"] for task in after}
    # A launch may meet an executor that just ends for having had nothing to do, and then needs another attempt.
    attempts = {task["slot"]: task["attempt"] for task in before}
    assert {task["slot"]: task["attempt"] - attempts[task["slot"]] for task in after} == {0: 1, 1: 1, 2: 1}


def test_the_server_says_what_it_lacks_and_goes_on_when_it_is_there(cluster: Cluster, tmp_path: Path) -> None:
    """A master that is away, and a scheduler that waits for it."""
    cli = Cli(cluster.url)
    master = cluster.leader()
    assert master is not None
    master.kill(signal.SIGKILL)
    try:
        eventually(lambda: "master" in _problem(cluster.url), "the problem is told", 30)
    finally:
        master.start().wait()
    eventually(lambda: _problem(cluster.url) == "", "it has subscribed again", 60)
    cli.run("ls")


def test_a_second_scheduler_stands_by_and_takes_over(new_cluster: NewCluster, images: None, tmp_path: Path) -> None:
    cluster = new_cluster(schedulers=2)
    schedulers = [cluster.daemons[name] for name in ("scheduler1", "scheduler2")]
    leader, standby = sorted(schedulers, key=lambda scheduler: _problem(f"http://{scheduler.address}") != "")
    told = f"the scheduler at {leader.address} leads; this one stands by"
    eventually(lambda: told in _problem(f"http://{standby.address}"), "the standby says who leads")

    cli = Cli(f"http://{leader.address}")
    stack = """
services:
  web:
    image: framework-demo/busybox:1
    command: sh -c 'trap "exit 0" TERM; while :; do sleep 1 & wait $$!; done'
    resources: {cpus: 0.1, memory: 16M}
    instances: 3
"""
    cli.run("submit", write(tmp_path, stack), "--name", "handed", "--wait")
    before = containers("handed")
    leader.kill(signal.SIGKILL)
    eventually(lambda: _problem(f"http://{standby.address}") == "", "the standby leads", 60)
    cli = Cli(f"http://{standby.address}")
    assert sorted(task["id"] for task in cli.tasks("handed")) == before == containers("handed")
    leader.start()
    eventually(
        lambda: f"the scheduler at {standby.address} leads" in _problem(f"http://{leader.address}"), "it stands by"
    )
    cli.run("remove", "handed", "--yes", "--wait")
    assert containers("handed") == []


def _problem(url: str) -> str:
    try:
        get(f"{url}/v1/ready")
        return ""
    except urllib.error.HTTPError as answer:
        return str(json.loads(answer.read())["message"])
    except urllib.error.URLError as error:
        return str(error.reason)


def test_a_scheduler_without_zookeeper_says_so_and_keeps_trying(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "framework.cli.main", "scheduler", "--zk", "zk://127.0.0.1:1/none"]
    command += ["--master", "127.0.0.1:2", "--bind", "127.0.0.1:0", "--advertise", "127.0.0.1:18080"]
    log = tmp_path / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env={**os.environ})
    try:
        eventually(lambda: "127.0.0.1:1" in log.read_text(), "the log names the address", 30)
        assert process.poll() is None
    finally:
        process.terminate()
        assert process.wait(20) == 0
    assert "Traceback" not in log.read_text()
