"""Never lost, never doubled: executors, agents, masters, ZooKeeper that are killed, frozen, cut off, booted, full.

Those without the marker `stories` run with every test; `make stories` runs all.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
from collections.abc import Iterator, Sequence

import pytest

from framework.local.daemon import Process
from tests.kit.cli import eventually
from tests.kit.executors import executors_of, kill_executors
from tests.kit.faults import cut, in_group, reboots, small_disk
from tests.kit.stages import SESSION_SECONDS
from tests.kit.story import Stage, docker, passes, workers

pytestmark = [pytest.mark.cluster, pytest.mark.docker, pytest.mark.zookeeper]
long = pytest.mark.stories


def on(stage: Stage, name: str, agent: str) -> set[str]:
    """The ids of the tasks of a stack on an agent that shall run; there is one at least."""
    found = {task["id"] for task in stage.tasks(name) if task["agent"] == agent and task["goal"] == "RUN"}
    assert found, f"no task of {name} is on {agent}"
    return found


# ---- killed -----------------------------------------------------------------------------------


def test_an_agent_and_the_master_and_zookeeper_are_killed(stage: Stage) -> None:
    stage.submit("others", workers(6))
    before = stage.ids("others")
    for name in ("agent1", "master1", "zookeeper"):
        stage.kill(stage.cluster.daemon(name))
        assert stage.at_rest("others", 6) == before, f"{name} was killed"
    stage.cli.run("scale", "others/work", "8", "--wait")
    assert set(before) <= set(stage.at_rest("others", 8))


@long
def test_master_agent_and_leader_are_killed_together(stage: Stage) -> None:
    stage.submit("all", workers(12))
    before = stage.ids("all")
    for daemon in (stage.leader(), stage.cluster.daemon("master1"), stage.cluster.daemon("agent1")):
        daemon.kill(signal.SIGKILL)
    assert stage.at_rest("all", 12, 120) == before


@long
def test_an_executor_and_the_leader_are_killed_together(stage: Stage) -> None:
    """No container is started again: the next leader has them adopted."""
    stage.submit("kept", workers(6, rule="hostname MAX_PER 2"))
    began = stage.running("kept")
    before = on(stage, "kept", "agent1")
    kill_executors(stage.cluster, "agent1")
    stage.kill(stage.leader())
    stage.at_rest("kept", 6, without=before)
    assert stage.running("kept") == began


# ---- frozen -----------------------------------------------------------------------------------


@contextlib.contextmanager
def asleep(pids: Sequence[int]) -> Iterator[None]:
    """SIGSTOP; those that have not been killed meanwhile are woken in the end."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def has_ended(pid: int) -> bool:
    process = Process.find(pid)
    return process is None or process.letter in "ZX"  # Nobody may have taken note of its death.


@long
def test_an_executor_is_frozen_and_wakes(stage: Stage) -> None:
    """Launches and kills wait for it; none is lost, and none is done twice."""
    stage.submit("sleepy", workers(6, rule="hostname MAX_PER 2"))
    before = on(stage, "sleepy", "agent1")
    others = set(stage.ids("sleepy")) - before
    with asleep(executors_of(stage.cluster, "agent1")):
        stage.submit("sleepy", workers(6, log="debug", rule="hostname MAX_PER 2"), wait=False)
        stage.submit("more", workers(3, rule="hostname UNIQUE"), wait=False)
        stage.until(
            lambda: len(set(stage.ids("more")) & set(stage.containers("more"))) == 2, "more", "two run elsewhere"
        )
        passes(2 * SESSION_SECONDS)
    stage.at_rest("sleepy", 6, 120, without=before | others)
    stage.at_rest("more", 3)


@long
def test_an_executor_is_frozen_until_its_agent_gives_it_up(stage: Stage) -> None:
    """Mesos has no time-out for an executor but that for its return to an agent that was started again."""
    stage.submit("stiff", workers(6, rule="hostname MAX_PER 2"))
    began = stage.running("stiff")
    before = on(stage, "stiff", "agent1")
    executors = executors_of(stage.cluster, "agent1")
    with asleep(executors):
        stage.kill(stage.cluster.daemon("agent1"))
        stage.until(lambda: all(map(has_ended, executors)), "stiff", "the agent ends its executor", 60)
    stage.at_rest("stiff", 6, without=before)
    assert stage.running("stiff") == began, "no container was started again"


@long
@pytest.mark.parametrize("name", ["zookeeper", "master1"])
def test_frozen_for_longer_than_the_time_out(stage: Stage, name: str) -> None:
    """A frozen ZooKeeper forgets sessions when it wakes; a frozen master is left by all."""
    stage.submit("cold", workers(6))
    before = stage.ids("cold")
    with stage.frozen(stage.cluster.daemon(name)):
        passes(4 * SESSION_SECONDS)
    assert stage.at_rest("cold", 6, 120) == before
    stage.cli.run("scale", "cold/work", "8", "--wait")
    assert set(before) <= set(stage.at_rest("cold", 8))


@long
def test_an_agent_is_frozen_until_mesos_gives_it_up(stage: Stage) -> None:
    """Its tasks are replaced; when it wakes, each slot is held once again."""
    stage.submit("away", workers(6, rule="hostname MAX_PER 4"))
    agent = stage.cluster.daemon("agent2")
    before = on(stage, "away", "agent2")
    with stage.frozen(agent):
        stage.until(lambda: not before & desired(stage, "away"), "away", "its tasks are replaced")
    stage.at_rest("away", 6, 120, without=before)


def desired(stage: Stage, name: str) -> set[str]:
    return {task["id"] for task in stage.tasks(name) if task["goal"] == "RUN"}


# ---- gone, cut off, booted -----------------------------------------------------------------------


@long
def test_an_agent_is_gone_for_good(stage: Stage) -> None:
    stage.submit("gone", workers(6))
    agent = stage.cluster.daemon("agent3")
    agent.kill(signal.SIGUSR1)
    try:

        def elsewhere() -> bool:
            tasks = [task for task in stage.tasks("gone") if task["state"] == "RUNNING"]
            return len(tasks) == 6 and "agent3" not in {task["agent"] for task in tasks}

        stage.until(elsewhere, "gone", "six run on the other agents", 90)
    finally:
        agent.start().wait()
    stage.at_rest("gone", 6, 120)


AGENT_GROUP, MASTER_GROUP = 48_421, 48_422


@long
def test_an_agent_is_cut_off_for_longer_than_mesos_waits(stage: Stage) -> None:
    """Its tasks run on, and others in their slots; when the wire is mended, each slot is held once again."""
    cluster = stage.cluster
    master = stage.start_as(cluster.daemon("master1"), *in_group(MASTER_GROUP))
    agent = stage.start_as(cluster.daemon("agent2"), *in_group(AGENT_GROUP))
    eventually(lambda: cluster.active_agents() == 3, "all agents are registered")
    stage.submit("wire", workers(6, rule="hostname MAX_PER 3"))
    before = on(stage, "wire", "agent2")
    others = set(stage.ids("wire")) - before
    master_ip, agent_ip = (daemon.address.partition(":")[0] for daemon in (master, agent))
    with cut((AGENT_GROUP, master_ip), (MASTER_GROUP, agent_ip)):
        stage.until(lambda: not before & desired(stage, "wire"), "wire", "its tasks are replaced")
        stage.until(lambda: len(running_elsewhere(stage)) == 6, "wire", "six run on the other agents")
        assert before <= set(stage.containers("wire")), "those on the agent run on, as nobody can reach them"
    assert others <= set(stage.at_rest("wire", 6, 120, without=before))


def running_elsewhere(stage: Stage) -> list[str]:
    return [
        task["id"] for task in stage.tasks("wire") if (task["state"], task["agent"] != "agent2") == ("RUNNING", True)
    ]


@long
def test_an_agent_is_booted(stage: Stage) -> None:
    """It comes back under its old id, and nothing of what ran there does."""
    stage.submit("boot", workers(6, rule="hostname MAX_PER 2"))
    agent = stage.cluster.daemon("agent3")
    before = on(stage, "boot", "agent3")
    others = set(stage.ids("boot")) - before
    words = reboots(agent.directory)
    agent.kill(signal.SIGKILL)
    kill_executors(stage.cluster, "agent3")
    docker("kill", *sorted(before))
    stage.start_as(agent, *words)
    stage.at_rest("boot", 6, without=before)
    assert others <= set(stage.at_rest("boot", 6)), "nothing else was touched"


# ---- full ----------------------------------------------------------------------------------------


@long
def test_the_disk_of_zookeeper_is_full(stage: Stage) -> None:
    """It ends, as it cannot write; tasks run on, nothing is changed, and what was asked is done when there is room."""
    stage.submit("full", workers(6))
    before = stage.ids("full")
    began = stage.running("full")
    noise = random.Random(1).randbytes(30_000).hex()  # More than is left of the server's log, however it is packed.
    zookeeper = stage.cluster.daemon("zookeeper")
    with small_disk(stage, free_mib=8) as data:
        assert stage.at_rest("full", 6) == before
        # A server whose disk is full just when it begins a log is never to start again: ZOOKEEPER-1621.
        stage.submit("room", workers(1))
        cli = stage.cli
        ballast = data / "ballast"
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        with stage.asking(cli, "asked", workers(2, log=noise)):
            stage.until(lambda: zookeeper.pid is None, "full", "ZooKeeper cannot write, and ends")
            passes(2 * SESSION_SECONDS)
            assert stage.running("full") == began
            ballast.unlink()
            zookeeper.start().wait()
            assert stage.at_rest("full", 6, 120) == before
        stage.submit("asked", workers(2, log=noise))
        stage.at_rest("asked", 2)
    assert stage.at_rest("full", 6, 120) == before, "on its own disk again"
