"""Never lost, never doubled: schedulers that are killed, frozen, cut off and given another time, on a real cluster.

Those without the marker `stories` run with every test; `make stories` runs all. test_stories_parts.py has what
happens to the others, test_stories_engine.py what happens to Docker.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from kazoo.client import KazooClient

from framework.local.daemon import Daemon, tail
from tests.kit.cli import eventually
from tests.kit.faults import SetClock, cut, end_session, in_group
from tests.kit.stages import SESSION_SECONDS
from tests.kit.story import Stage, passes, workers

pytestmark = [pytest.mark.cluster, pytest.mark.docker, pytest.mark.zookeeper]
long = pytest.mark.stories

HOUR = 3600
FAILING = """
services:
  failing:
    image: framework-demo/busybox:1
    command: sh -c 'exit 1'
    resources: {cpus: 0.1, memory: 8M}
"""


def has_begun(stage: Stage, name: str, count: int) -> None:
    """Waits until the first so many containers of a stack are there."""
    stage.until(lambda: len(stage.containers(name)) >= count, name, f"{count} containers are there", 120)


# ---- killed -----------------------------------------------------------------------------------


def test_an_idle_leader_is_killed(stage: Stage) -> None:
    stage.submit("idle", workers(6))
    before = stage.ids("idle")
    first = stage.leader()
    first.kill(signal.SIGKILL)
    assert stage.leader().name != first.name, "the standby leads"
    assert stage.at_rest("idle", 6) == before
    assert {task["attempt"] for task in stage.tasks("idle")} == {1}


def test_the_leader_is_killed_during_a_launch(stage: Stage) -> None:
    stage.submit("launch", workers(20), wait=False)
    has_begun(stage, "launch", 3)
    stage.kill(stage.leader())
    stage.at_rest("launch", 20)
    stage.started_once("launch")


def test_the_leader_is_killed_while_tasks_are_replaced(stage: Stage) -> None:
    stage.submit("change", workers(4))
    before = stage.ids("change")
    stage.submit("change", workers(4, log="debug"), wait=False)
    eventually(lambda: stage.ids("change") != before, "the first is replaced")
    stage.kill(stage.leader())
    stage.at_rest("change", 4, 120, without=before)
    assert {task["attempt"] for task in stage.tasks("change")} <= {2, 3}, "each was replaced once"


@long
def test_the_leader_is_killed_during_a_launch_of_many(stage: Stage) -> None:
    stage.submit("many", workers(200, cpus=0.05), wait=False)
    has_begun(stage, "many", 50)
    stage.kill(stage.leader())
    stage.at_rest("many", 200, 300)
    stage.started_once("many")


@long
def test_the_leader_is_killed_twenty_times(stage: Stage) -> None:
    """Each time while it launches. Executors run on all agents before: they are fetched from the leader."""
    stage.submit("warm", workers(3, rule="hostname UNIQUE"))
    stage.submit("loop", workers(1, cpus=0.05))
    for desired in range(5, 105, 5):
        stage.leader(120)
        stage.cli.run("scale", "loop/work", str(desired))
        has_begun(stage, "loop", desired - 4)
        stage.leader().kill(signal.SIGKILL).start()
    stage.at_rest("loop", 100, 300)
    stage.started_once("loop")


# ---- frozen, cut off ---------------------------------------------------------------------------


def test_a_frozen_leader_wakes_when_another_leads(stage: Stage) -> None:
    stage.submit("frozen", workers(4))
    before = stage.ids("frozen")
    first = stage.leader()
    with stage.frozen(first):
        second = stage.leader()
        assert second.name != first.name
        stage.cli.run("scale", "frozen/work", "6", "--wait")
    ended_by_itself(stage, first, "frozen")
    after = stage.at_rest("frozen", 6)
    assert set(before) <= set(after), "nothing that ran was touched"
    assert stage.leader().name == second.name


@long
def test_the_session_of_the_leader_expires(stage: Stage) -> None:
    """It is well and connected, and ZooKeeper says from one moment to the next that its session is over."""
    stage.submit("expired", workers(6))
    before = stage.ids("expired")
    first = stage.leader()
    _, _, root = stage.cluster.store_url.removeprefix("zk://").partition("/")
    end_session(stage.cluster.daemon("zookeeper"), f"/{root}/leader")
    ended_by_itself(stage, first, "expired")
    assert stage.leader().name != first.name
    assert stage.at_rest("expired", 6) == before


@long
def test_the_leader_is_cut_off_from_zookeeper(stage: Stage) -> None:
    """Mesos still tells it everything, and it may say nothing; another leads before it can know."""
    groups = {each.name: 48_411 + number for number, each in enumerate(stage.schedulers)}
    for each in stage.schedulers:
        stage.start_as(each, *in_group(groups[each.name]))
    stage.submit("apart", workers(6))
    before = stage.ids("apart")
    first = stage.leader()
    second = next(each for each in stage.schedulers if each.name != first.name)
    with cut((groups[first.name], stage.cluster.zookeeper_address)):
        assert stage.until(lambda: stage.leader().name == second.name, "apart", "the standby leads")
        stage.cli.run("scale", "apart/work", "8", "--wait")
    ended_by_itself(stage, first, "apart")
    assert set(before) <= set(stage.at_rest("apart", 8))
    assert stage.leader().name == second.name


def ended_by_itself(stage: Stage, daemon: Daemon, stack: str) -> None:
    """Waits until a scheduler that does not lead any more has ended, and said why."""
    stage.until(lambda: daemon.pid is None, stack, f"{daemon.name} ends by itself", 30)
    assert "stopping: " in tail(daemon.log, 1)[0], stage.report(stack, f"{daemon.name} ended without a reason")


# ---- another time ------------------------------------------------------------------------------


@pytest.fixture
def clock(stage: Stage, tmp_path: Path) -> Iterator[SetClock]:
    """The clock of both schedulers."""
    clock = SetClock(tmp_path)
    for scheduler in stage.schedulers:
        stage.start_as(scheduler, environment=clock.environment)
    yield clock
    for scheduler in stage.schedulers:
        stage.start_as(scheduler, environment=dict.fromkeys(clock.environment, ""))


@long
@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_the_clock_of_the_schedulers_is_set(stage: Stage, clock: SetClock, step: int) -> None:
    """Slots that wait keep their time; the next leader uses the new time from the start."""
    stage.submit("time", workers(6))
    stage.submit("failing", FAILING, wait=False)
    before = stage.ids("time")
    attempts(stage, 3)
    clock.ahead(step)
    attempts(stage, 3)
    assert stage.at_rest("time", 6) == before
    first = stage.leader()
    stage.kill(first)
    attempts(stage, 2)
    assert stage.at_rest("time", 6) == before
    stage.cli.run("scale", "time/work", "8", "--wait")
    assert set(before) <= set(stage.at_rest("time", 8))


def attempts(stage: Stage, more: int) -> None:
    """Waits until what fails was started so many more times."""

    def newest() -> int:
        with contextlib.suppress(AssertionError):
            return max((task["attempt"] for task in stage.cli.json("ps", "failing", "-a")["tasks"]), default=0)
        return 0

    wanted = newest() + more
    stage.until(lambda: newest() >= wanted, "failing", f"attempt {wanted} is made")


# ---- without a memory --------------------------------------------------------------------------------


@long
def test_a_store_that_has_lost_its_tasks_destroys_none_unasked(stage: Stage) -> None:
    """Somebody has removed their records: Mesos runs what the store does not know, and an operator is asked."""
    stage.submit("amnesia", workers(12))
    before = stage.containers("amnesia")
    for scheduler in stage.schedulers:
        scheduler.kill(signal.SIGTERM)
    host, _, root = stage.cluster.store_url.removeprefix("zk://").partition("/")
    client = KazooClient(host)
    client.start()
    try:
        for bucket in client.get_children(f"/{root}/tasks"):
            client.delete(f"/{root}/tasks/{bucket}")
    finally:
        client.stop()
        client.close()
    stage.start_all()
    cli = stage.cli
    asked = eventually(lambda: cli.json("approve")["questions"], "it is asked")
    assert [(question["question"], question["number"]) for question in asked] == [("strangers", 12)]
    passes(SESSION_SECONDS)
    assert set(before) <= set(stage.containers("amnesia")), "nothing was stopped"
    cli.run("approve", "--yes", "strangers=11", code=1)
    cli.run("approve", "--yes", "strangers=12")
    stage.at_rest("amnesia", 12, without=before)
