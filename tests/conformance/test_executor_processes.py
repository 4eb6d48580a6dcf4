"""Plain processes end with their task and with their executor, on real Mesos agents with either of its launchers."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from framework.local.cluster import Cluster
from tests.kit.cli import Cli, eventually
from tests.kit.cluster import running_cluster
from tests.kit.executors import executors_of, kill_executors
from tests.kit.processes import below, parent_of, processes_of, task_of

pytestmark = [pytest.mark.cluster, pytest.mark.zookeeper]

FLEES = "setsid sh -c 'sleep 600 & exec sleep 600' & (setsid sleep 600 &)"
"""Three that try to get away."""
STACK = f"""
services:
  work:
    command: [sh, -c, "{FLEES}; trap 'exit 3' TERM; while :; do sleep 0.2 & wait $$!; done"]
    resources: {{cpus: 0.05, memory: 8M}}
    instances: 6
    health: {{command: "sleep 600 & exec sleep 600", interval: 1s, timeout: 60s, failures: 0}}
    pre_stop: [{{command: "touch leaving; setsid sleep 600 & exec sleep 600", timeout: 300s}}]
    stop: {{grace: 300s}}
"""
"""Six, each with a check that hangs for as long as it may, and with as long a last word."""
IDLE = "services: {idle: {command: sleep 600, resources: {cpus: 0.05, memory: 8M}, instances: 4}}"
AT_WORK = 6
"""The processes of one task of `work` at least: the shell, three that flee, two of the check. A nap comes and goes."""


class Stage:
    """A cluster with one launcher."""

    def __init__(self, cluster: Cluster, tmp_path: Path) -> None:
        self.cluster = cluster
        self.cli = Cli(cluster.url)
        self._files = tmp_path

    def submit(self, name: str, text: str) -> None:
        path = self._files / f"{name}.yml"
        path.write_text(text, encoding="utf-8")
        self.cli.run("submit", str(path), "--name", name)

    def by_task(self) -> dict[str, list[int]]:
        """The processes of each task that has some."""
        found: dict[str, list[int]] = {}
        for pid in self.processes():
            found.setdefault(task_of(pid), []).append(pid)
        return found

    def processes(self) -> dict[int, str]:
        return processes_of(self.cluster.directory)

    def remove(self, name: str) -> None:
        """Removes a stack; nothing of it is left then."""
        self.cli.run("remove", name, "--yes", "--wait")
        assert [id for id in self.by_task() if id.startswith(f"{name}.")] == []

    def at_work(self, name: str, instances: int, least: int = 1) -> list[str]:
        """The ids of its tasks, once so many run, each with so many processes, and no process is of another one."""

        def run() -> list[str]:
            tasks = [task["id"] for task in self.cli.tasks(name) if task["state"] == "RUNNING"]
            found = {id: pids for id, pids in self.by_task().items() if id.startswith(f"{name}.")}
            is_so = set(tasks) == found.keys() and all(len(pids) >= least for pids in found.values())
            return tasks if is_so and len(tasks) == instances else []

        found: list[str] = eventually(run, f"{instances} tasks of {name} run, and nothing else does")
        return found


@pytest.fixture(scope="module", params=["posix", "linux"])
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    root = f"framework-test-{os.getpid()}"
    flags = {"launcher": request.param} | ({"cgroups_root": root} if request.param == "linux" else {})
    if request.param == "linux" and not Path("/sys/fs/cgroup/freezer").is_dir():
        pytest.skip("Mesos's linux launcher wants control groups of the first version, with a freezer")
    directory = tmp_path_factory.mktemp(request.param)
    try:
        # Two agents with one root of control groups would each end what the other has.
        with running_cluster(directory, agents=1, schedulers=1, agent_flags=flags) as cluster:
            yield Stage(cluster, tmp_path_factory.mktemp("files"))
        assert processes_of(directory) == {}
    finally:
        for group in sorted(Path("/sys/fs/cgroup").glob(f"*/{root}"), key=str):
            for each in sorted((path for path in group.rglob("*") if path.is_dir()), key=str, reverse=True):
                with contextlib.suppress(OSError):
                    each.rmdir()
            with contextlib.suppress(OSError):
                group.rmdir()


def test_executors_that_are_killed_leave_no_process_and_none_is_doubled(stage: Stage) -> None:
    stage.submit("shop", STACK)
    before = stage.at_work("shop", 6, AT_WORK)
    words = ("exec", before[0], "sh", "-c", "setsid sleep 600 & exec sleep 600")
    command = [sys.executable, "-m", "framework.cli.main", *words]
    shell = subprocess.Popen(command, env={**os.environ, "FRAMEWORK_URL": stage.cli.url})
    try:
        eventually(lambda: len(stage.by_task()[before[0]]) >= AT_WORK + 2, "a command runs beside")
        old = stage.processes().keys()
        kill_executors(stage.cluster, "agent1")
        eventually(lambda: not old & stage.processes().keys(), "nothing that ran is left")
    finally:
        shell.kill()
        shell.wait()
    after = stage.at_work("shop", 6, AT_WORK)
    assert not set(before) & set(after)
    stage.cli.run("scale", "shop/work", "4")
    eventually(lambda: list(stage.cluster.directory.rglob("leaving")), "a pre_stop runs")
    kill_executors(stage.cluster, "agent1")
    stage.at_work("shop", 4, AT_WORK)
    stage.cli.run("remove", "shop", "--yes")
    kill_executors(stage.cluster, "agent1")
    eventually(lambda: stage.processes() == {}, "nothing is left of what was removed")
    stage.cli.run("remove", "shop", "--yes", "--wait", code=None)


def test_an_agent_that_is_started_again_finds_processes_as_they_were(stage: Stage) -> None:
    stage.submit("idle", IDLE)
    before = stage.at_work("idle", 4)
    processes = stage.processes()
    agent = stage.cluster.daemon("agent1").kill(signal.SIGKILL)
    assert stage.processes() == processes
    agent.start()
    eventually(lambda: stage.cluster.active_agents() == 1, "the agent is back")
    assert sorted(stage.at_work("idle", 4)) == sorted(before)
    assert stage.processes() == processes
    stage.cli.run("kill", before[0], "--scale")
    (end,) = eventually(lambda: stage.cli.ended("idle"), "it has ended")
    assert (end["id"], end["state"], end["exit_code"]) == (before[0], "KILLED", 143)
    stage.remove("idle")


def test_supervisors_and_spawners_that_are_killed_leave_nothing_and_double_nothing(stage: Stage) -> None:
    stage.submit("idle", IDLE)
    before = stage.at_work("idle", 4)
    (pid,) = stage.by_task()[before[0]]
    supervisor = parent_of(pid)
    os.kill(parent_of(supervisor), signal.SIGKILL)
    assert sorted(stage.at_work("idle", 4)) == sorted(before)
    os.kill(supervisor, signal.SIGKILL)
    eventually(lambda: pid not in stage.processes(), "its task has ended")
    stage.at_work("idle", 4)
    (end,) = [end for end in stage.cli.ended("idle") if end["id"] == before[0]]
    assert (end["state"], end["exit_code"]) == ("FAILED", 137)
    stage.remove("idle")


def test_an_executor_that_is_frozen_and_given_up_leaves_nothing(stage: Stage) -> None:
    stage.submit("idle", IDLE.replace("sleep 600", f'[sh, -c, "{FLEES}; exec sleep 600"]'))
    stage.at_work("idle", 4, 4)
    (executor,) = executors_of(stage.cluster, "agent1")
    assert stage.processes().keys() < set(below(executor)), "all of it is below the executor: Mesos finds it"
    os.kill(executor, signal.SIGSTOP)
    # SIGUSR1: the agent leaves for good, and destroys what does not end by itself.
    agent = stage.cluster.daemon("agent1").kill(signal.SIGUSR1)
    eventually(lambda: not stage.processes() and not below(executor), "nothing is left")
    agent.start()
    stage.at_work("idle", 4, 4)
    stage.remove("idle")
