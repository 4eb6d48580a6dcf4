"""The executor on a real Mesos agent with real containers, launched by a scheduler as small as can be."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from executor.archive import ArchiveInfo
from framework.local.cluster import Cluster
from framework.local.images import BUSYBOX
from specs.model.stack import CheckKind, Container, HealthCheck, Port, Stop
from tests.conformance.executor_kit import MiniScheduler, containers, detail, mini_scheduler, shell, wait_until
from tests.kit.cluster import running_cluster

pytestmark = [pytest.mark.cluster, pytest.mark.docker, pytest.mark.usefixtures("images")]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, images: None) -> Iterator[Cluster]:
    # 2 s is Mesos's own default for how long a restarted agent waits for its executors.
    flags = {"executor_reregistration_timeout": "2secs"}
    with running_cluster(tmp_path_factory.mktemp("cluster"), masters=1, agents=1, agent_flags=flags) as cluster:
        yield cluster


@pytest.fixture
def scheduler(cluster: Cluster, archive: ArchiveInfo) -> Iterator[MiniScheduler]:
    with mini_scheduler(cluster, archive) as scheduler:
        yield scheduler


def test_a_task_is_run_checked_and_told_of(scheduler: MiniScheduler) -> None:
    web = Container(
        image=BUSYBOX,
        command=("sh", "-c", 'mkdir /www; echo "$HOST $PORT_HTTP" > /www/index.html; exec httpd -f -p 8080 -h /www'),
        ports=(Port(name="http", container_port=8080),),
        health=HealthCheck(kind=CheckKind.HTTP, port="http", interval_seconds=1),
        stop=Stop(signal="SIGKILL"),
    )
    scheduler.launch({"web": web, "failing": shell("echo oops >&2; exit 3")}, ports={"web": [31005]})
    healthy = scheduler.wait("web", "TASK_RUNNING", healthy=True)
    (address,) = healthy["container_status"]["network_infos"][0]["ip_addresses"]
    assert address["ip_address"].startswith("172.")
    failed = scheduler.wait("failing", "TASK_FAILED")
    assert failed["message"].startswith("exit code 3 after ")
    assert failed["message"].endswith("; last line on stderr: oops")
    assert detail(failed).exit_code == 3
    sandbox = Path(detail(failed).sandbox)
    assert (sandbox / "failing.stderr").read_text() == "oops\n"
    assert "Traceback" not in (sandbox / "stderr").read_text()
    agent = failed["container_status"]["network_infos"][0]["ip_addresses"][0]["ip_address"]
    with urllib.request.urlopen(f"http://{agent}:31005/", timeout=5) as answer:
        assert answer.read() == b"agent1 31005\n"
    scheduler.kill("web")
    killed = scheduler.wait("web", "TASK_KILLED")
    assert detail(killed).exit_code == 137
    assert scheduler.states("web") == ["TASK_STARTING", "TASK_RUNNING", "TASK_KILLING", "TASK_KILLED"]
    assert scheduler.states("failing") == ["TASK_STARTING", "TASK_RUNNING", "TASK_FAILED"]


def test_twenty_tasks_at_once_each_told_of_once(scheduler: MiniScheduler) -> None:
    names = [f"many.{number}" for number in range(20)]
    scheduler.launch({name: shell("exec sleep 600", stop=Stop(signal="SIGKILL")) for name in names})
    for name in names:
        scheduler.wait(name, "TASK_RUNNING", 60)
    assert len(containers(scheduler)) == 20
    for name in names:
        scheduler.kill(name)
    for name in names:
        scheduler.wait(name, "TASK_KILLED", 60)
        assert [status["state"] for status in scheduler.of(name)] == scheduler.states(name)
    assert containers(scheduler) == []


def test_a_process_without_an_image_and_an_image_that_is_not_there(scheduler: MiniScheduler) -> None:
    process = Container(command=("sh", "-c", "echo $MESOS_TASK_ID; exec sleep 600"))
    scheduler.launch({"process": process, "missing": Container(image="127.0.0.1:9/acme/web:9")})
    running = scheduler.wait("process", "TASK_RUNNING")
    assert running["message"].startswith("runs as process ")
    missing = scheduler.wait("missing", "TASK_FAILED")
    assert missing["message"].startswith("image 127.0.0.1:9/acme/web:9 could not be pulled: ")
    assert missing["reason"] == "REASON_CONTAINER_LAUNCH_FAILED"
    scheduler.kill("process")
    assert detail(scheduler.wait("process", "TASK_KILLED")).exit_code == 143


def test_an_agent_is_killed_and_started_again_and_the_tasks_do_not_notice(
    cluster: Cluster, scheduler: MiniScheduler
) -> None:
    quits = shell("sleep 2; exit 7")
    scheduler.launch({"stays": shell("exec sleep 600", stop=Stop(signal="SIGKILL")), "quits": quits})
    scheduler.wait("stays", "TASK_RUNNING")
    scheduler.wait("quits", "TASK_RUNNING")
    agent = cluster.daemon("agent1").kill()
    # The task ends while nobody listens.
    wait_until(lambda: len(containers(scheduler)) == 1, 20, lambda: containers(scheduler))
    agent.start().wait()
    assert detail(scheduler.wait("quits", "TASK_FAILED", 30)).exit_code == 7
    assert scheduler.states("stays")[-1] == "TASK_RUNNING"
    scheduler.kill("stays")
    scheduler.wait("stays", "TASK_KILLED", 30)


def test_what_a_killed_executor_leaves_behind_is_removed_by_the_next(scheduler: MiniScheduler) -> None:
    scheduler.launch({"left": shell("trap exit TERM; while :; do sleep 0.1; done")})
    scheduler.wait("left", "TASK_RUNNING")
    sandbox = detail(scheduler.of("left")[-1]).sandbox
    found = subprocess.run(
        ["pgrep", "-f", "framework-executor.pyz --idle 5"], capture_output=True, text=True, check=True
    )
    ours = [int(pid) for pid in found.stdout.split() if Path(f"/proc/{pid}/cwd").resolve() == Path(sandbox).resolve()]
    for pid in ours:
        os.kill(pid, signal.SIGKILL)
    scheduler.wait("left", "TASK_FAILED")
    assert len(containers(scheduler)) == 1
    scheduler.launch({"next": shell("exec sleep 600", stop=Stop(signal="SIGKILL"))})
    scheduler.wait("next", "TASK_RUNNING")
    wait_until(lambda: len(containers(scheduler)) == 1, 30, lambda: containers(scheduler))
    assert containers(scheduler)[0]["Names"] == ["/next"]


def test_an_executor_without_tasks_ends(scheduler: MiniScheduler) -> None:
    scheduler.launch({"short": shell("true")})
    ended = scheduler.wait("short", "TASK_FINISHED")
    began_at = time.monotonic()
    stderr = Path(detail(ended).sandbox) / "stderr"
    wait_until(lambda: "the end: no task for 5.0 s" in stderr.read_text(), 15, stderr.read_text)
    assert time.monotonic() - began_at > 3


def test_a_framework_that_is_removed_leaves_nothing(cluster: Cluster, archive: ArchiveInfo) -> None:
    scheduler = MiniScheduler(cluster.wait_for_leader().address, archive.path)
    scheduler.launch({f"torn.{n}": shell("exec sleep 600", stop=Stop(grace_seconds=60)) for n in range(3)})
    for number in range(3):
        scheduler.wait(f"torn.{number}", "TASK_RUNNING")
    scheduler.teardown()
    wait_until(lambda: not containers(scheduler), 20, lambda: containers(scheduler))
