"""Readiness, hooks and the orderly stop, on a real Mesos agent with real containers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import docker
import pytest

from executor.archive import ArchiveInfo
from framework.local.cluster import Cluster
from framework.local.images import BUSYBOX
from specs.model.stack import CheckKind, Container, HealthCheck, Hook, Network, Port, Stop
from tests.conformance.executor_kit import MiniScheduler, containers, detail, log, mini_scheduler, shell, wait_until
from tests.kit.cluster import running_cluster

pytestmark = [pytest.mark.cluster, pytest.mark.docker, pytest.mark.usefixtures("images")]

TRAPS = "trap 'echo told to stop; exit 0' TERM; echo up; while true; do sleep 0.1; done"
DEAF = "trap 'echo told to stop' TERM; echo up; while true; do sleep 0.1; done"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, images: None) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster"), masters=1, agents=1) as cluster:
        yield cluster


@pytest.fixture
def scheduler(cluster: Cluster, archive: ArchiveInfo) -> Iterator[MiniScheduler]:
    with mini_scheduler(cluster, archive) as scheduler:
        yield scheduler


def says(text: str, **settings: Any) -> Hook:
    """A hook that writes into the container's own output."""
    return Hook(command=("sh", "-c", f"echo {text} > /proc/1/fd/1"), **settings)


def wait_up(scheduler: MiniScheduler, name: str) -> None:
    """Until the task has said its first line."""
    wait_until(lambda: "up" in log(scheduler, name), 20, lambda: log(scheduler, name))


def wait_ready(scheduler: MiniScheduler, name: str, is_ready: bool, words: str = "") -> dict[str, Any]:
    """The first status of a task that says so."""

    def found() -> dict[str, Any] | None:
        for status in scheduler.of(name):
            said = detail(status)
            if said.has_ready and said.ready is is_ready and words in status.get("message", ""):
                return status
        return None

    status: dict[str, Any] = wait_until(found, 30, lambda: scheduler.of(name))
    return status


def test_a_task_drains_says_goodbye_and_is_told_to_stop_in_this_order(scheduler: MiniScheduler) -> None:
    stop = Stop(drain_seconds=2.0, grace_seconds=20.0)
    scheduler.launch({"web": shell(TRAPS, stop=stop, post_start=(says("hello"),), pre_stop=(says("goodbye"),))})
    wait_ready(scheduler, "web", True, "post_start is done")
    scheduler.kill("web")
    killing = scheduler.wait("web", "TASK_KILLING")
    assert killing["message"] == "drains for 2.0 s before it is told to stop"
    assert detail(killing).ready is False
    killed = scheduler.wait("web", "TASK_KILLED")
    assert killed["message"].startswith("killed as asked; exit code 0")
    assert log(scheduler, "web") == ["up", "hello", "goodbye", "told to stop"]
    times = {status["state"]: time for status, time in zip(scheduler.statuses, scheduler.times, strict=True)}
    assert times["TASK_KILLED"] - times["TASK_KILLING"] >= 1.9


def test_a_task_that_does_not_listen_is_killed_after_its_grace(scheduler: MiniScheduler) -> None:
    hangs = Hook(command=("sleep", "600"))
    stop = Stop(grace_seconds=2.0)
    scheduler.launch({"deaf": shell(DEAF, stop=stop), "hangs": shell(TRAPS, stop=stop, pre_stop=(hangs,))})
    for name in ("deaf", "hangs"):
        scheduler.wait(name, "TASK_RUNNING")
        wait_up(scheduler, name)
        scheduler.kill(name)
    for name in ("deaf", "hangs"):
        assert "exit code 137 (SIGKILL)" in scheduler.wait(name, "TASK_KILLED")["message"]
    assert log(scheduler, "deaf") == ["up", "told to stop"]
    assert log(scheduler, "hangs") == ["up"]


def test_a_task_that_cannot_be_prepared_has_failed_and_says_why(scheduler: MiniScheduler) -> None:
    fails = Hook(command=("sh", "-c", "echo no database >&2; exit 3"))
    hangs = Hook(command=("sleep", "600"), timeout_seconds=1.0)
    wrong = Hook(command=("no-such-program",))
    stop = Stop(grace_seconds=1.0, drain_seconds=600.0)
    tasks = {"fails": fails, "hangs": hangs, "wrong": wrong}
    scheduler.launch({name: shell(TRAPS, post_start=(hook,), stop=stop) for name, hook in tasks.items()})
    words = {
        "fails": "post_start failed: sh -c echo no database >&2; exit 3: exit code 3: no database; ",
        "hangs": "post_start failed: sleep 600: not done within 1 s; ",
        "wrong": "post_start failed: no-such-program: ",
    }
    for name, wanted in words.items():
        failed = scheduler.wait(name, "TASK_FAILED")
        assert failed["message"].startswith(wanted)
        assert failed["reason"] == "REASON_CONTAINER_LAUNCH_FAILED"


def test_readiness_comes_and_goes_and_mesos_knows_it(scheduler: MiniScheduler) -> None:
    ready = HealthCheck(
        kind=CheckKind.HTTP,
        path="/ready",
        port="http",
        interval_seconds=0.5,
        failures=1,
        codes=((200, 200),),
        headers=(("X-Who", "executor"),),
    )
    web = Container(
        image=BUSYBOX,
        command=("sh", "-c", "mkdir /www; exec httpd -f -p 8080 -h /www"),
        ports=(Port(name="http", container_port=8080),),
        health=HealthCheck(kind=CheckKind.TCP, port="http", interval_seconds=0.5, failures=0),
        ready=ready,
        stop=Stop(signal="SIGKILL"),
    )
    scheduler.launch({"web": web}, ports={"web": [31006]})
    scheduler.wait("web", "TASK_RUNNING", healthy=True)
    not_ready = wait_ready(scheduler, "web", False, "404 Not Found (wanted 200)")
    assert not_ready["check_status"] == {"type": "HTTP", "http": {"status_code": 404}}
    assert not_ready["reason"] == "REASON_TASK_CHECK_STATUS_UPDATED"
    (container,) = containers(scheduler)
    with contextlib.closing(docker.APIClient(version="auto")) as client:
        client.exec_start(client.exec_create(container["Id"], ["touch", "/www/ready"])["Id"])
        is_ready = wait_ready(scheduler, "web", True, "ready: GET http://")
        assert (is_ready["healthy"], is_ready["check_status"]["http"]) == (True, {"status_code": 200})
        client.exec_start(client.exec_create(container["Id"], ["rm", "/www/ready"])["Id"])
        wait_until(
            lambda: scheduler.statuses[-1]["check_status"]["http"] == {"status_code": 404}, 20, lambda: "not told"
        )
    said = len(scheduler.statuses)
    scheduler.call("RECONCILE", reconcile={"tasks": [{"task_id": {"value": "web"}}]})
    wait_until(lambda: len(scheduler.statuses) > said, 20, lambda: "no answer")
    reconciled = scheduler.statuses[said]
    assert (reconciled["reason"], reconciled["healthy"]) == ("REASON_RECONCILIATION", True)
    assert reconciled["check_status"]["http"] == {"status_code": 404}


def test_a_plain_process_has_hooks_in_its_sandbox_too(scheduler: MiniScheduler) -> None:
    script = "while [ ! -e go ]; do sleep 0.1; done; echo gone; sleep 600"
    hook = Hook(command=("sh", "-c", 'test "$WHO" = me && touch go'), environment=(("WHO", "me"),))
    process = Container(command=("sh", "-c", script), post_start=(hook,), network=Network.HOST)
    scheduler.launch({"process": process})
    wait_ready(scheduler, "process", True)
    wait_until(lambda: log(scheduler, "process") == ["gone"], 20, lambda: log(scheduler, "process"))
    scheduler.kill("process")
    scheduler.wait("process", "TASK_KILLED")
