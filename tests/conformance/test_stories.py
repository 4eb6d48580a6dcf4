"""Never lost, never doubled: what is killed and frozen on a real cluster, and what must hold afterwards.

Those without the marker `stories` run with every test; `make stories` runs all.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest
from kazoo.client import KazooClient

from framework.local.daemon import four_letters
from tests.kit.cli import containers, eventually
from tests.kit.cluster import running_cluster
from tests.kit.story import Stage, workers

pytestmark = [pytest.mark.cluster, pytest.mark.docker, pytest.mark.zookeeper]
long = pytest.mark.stories

SESSION_SECONDS = 3
PING_SECONDS = 1
PINGS = 3


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, images: None) -> Iterator[Stage]:
    with running_cluster(
        tmp_path_factory.mktemp("stories"),
        schedulers=2,
        master_flags={"agent_ping_timeout": f"{PING_SECONDS}secs", "max_agent_ping_timeouts": PINGS},
        scheduler_flags={"executor-idle": "5s", "session-timeout": f"{SESSION_SECONDS}s"},
    ) as cluster:
        yield Stage(cluster, tmp_path_factory.mktemp("stacks"))


@pytest.fixture
def tidy(stage: Stage) -> Iterator[None]:
    """Whatever comes of a story, the next one finds the cluster up and empty."""
    yield
    stage.start_all()
    stage.leader(120)
    for stack in stage.cli.json("ls")["stacks"]:
        stage.remove(stack["name"])


pytestmark.append(pytest.mark.usefixtures("tidy"))


# ---- a scheduler -----------------------------------------------------------------------------


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
    eventually(lambda: len(containers("launch")) >= 3, "the first containers are there")
    stage.kill(stage.leader())
    stage.at_rest("launch", 20)
    # An intent that was stored and never sent, as its leader died between, is an attempt too.
    assert {task["attempt"] for task in stage.tasks("launch")} <= {1, 2}


def test_the_leader_is_killed_while_tasks_are_replaced(stage: Stage) -> None:
    stage.submit("change", workers(4))
    before = stage.ids("change")
    stage.submit("change", workers(4, log="debug"), wait=False)
    eventually(lambda: stage.ids("change") != before, "the first is replaced")
    stage.kill(stage.leader())
    eventually(lambda: not set(stage.at_rest("change", 4)) & set(before), "all are replaced", 120)
    assert {task["attempt"] for task in stage.tasks("change")} <= {2, 3}, "each was replaced once"


def test_a_frozen_leader_wakes_when_another_leads(stage: Stage) -> None:
    stage.submit("frozen", workers(4))
    before = stage.ids("frozen")
    first = stage.leader()
    with stage.frozen(first):
        second = stage.leader()
        assert second.name != first.name
        stage.cli.run("scale", "frozen/work", "6", "--wait")
    eventually(lambda: first.pid is None or stage.leading() is not None, "one leads")
    after = stage.at_rest("frozen", 6)
    assert set(before) <= set(after), "nothing that ran was touched"
    assert stage.leader().name == second.name


# ---- the others ---------------------------------------------------------------------------------


def test_an_agent_and_the_master_and_zookeeper_are_killed(stage: Stage) -> None:
    stage.submit("others", workers(6))
    before = stage.ids("others")
    for name in ("agent1", "master1", "zookeeper"):
        stage.kill(stage.cluster.daemon(name))
        assert stage.at_rest("others", 6) == before, f"{name} was killed"
    stage.cli.run("scale", "others/work", "8", "--wait")
    assert set(before) <= set(stage.at_rest("others", 8))


# ---- the long ones ----------------------------------------------------------------------------------


@long
def test_the_leader_is_killed_twenty_times(stage: Stage) -> None:
    """Executors run on all agents before: they are fetched from the leader, which is not there half of the time."""
    stage.submit("warm", workers(3, rule="hostname UNIQUE"))
    stage.submit("loop", workers(100, cpus=0.05), wait=False)
    for _ in range(20):
        stage.kill(stage.leader(120))
        time.sleep(1)
    stage.at_rest("loop", 100, 300)
    assert {task["attempt"] for task in stage.tasks("loop")} == {1}, "none was started twice"


@long
def test_the_leader_is_killed_during_a_launch_of_many(stage: Stage) -> None:
    stage.submit("many", workers(150, cpus=0.05), wait=False)
    eventually(lambda: len(containers("many")) >= 40, "a part of the containers are there", 120)
    stage.kill(stage.leader())
    stage.at_rest("many", 150, 300)
    assert {task["attempt"] for task in stage.tasks("many")} == {1}


@long
@pytest.mark.parametrize("name", ["zookeeper", "master1"])
def test_frozen_for_longer_than_the_time_out(stage: Stage, name: str) -> None:
    """A frozen ZooKeeper forgets sessions when it wakes; a frozen master is left by all."""
    stage.submit("cold", workers(6))
    before = stage.ids("cold")
    with stage.frozen(stage.cluster.daemon(name)):
        time.sleep(4 * SESSION_SECONDS)
    stage.at_rest("cold", 6, 120)
    assert stage.ids("cold") == before
    stage.cli.run("scale", "cold/work", "8", "--wait")
    assert set(before) <= set(stage.at_rest("cold", 8))


@long
def test_an_agent_is_frozen_until_mesos_gives_it_up(stage: Stage) -> None:
    """Its tasks are replaced; when it wakes, each slot is held once again."""
    stage.submit("away", workers(6))
    agent = stage.cluster.daemon("agent2")
    before = {task["id"] for task in stage.tasks("away") if task["agent"] == "agent2"}
    assert before
    with stage.frozen(agent):
        eventually(lambda: not before & {t["id"] for t in stage.tasks("away") if t["goal"] == "RUN"}, "replaced", 60)
    stage.at_rest("away", 6, 120)


@long
def test_an_agent_is_gone_for_good(stage: Stage) -> None:
    stage.submit("gone", workers(6))
    agent = stage.cluster.daemon("agent3")
    agent.kill(signal.SIGUSR1)
    try:

        def elsewhere() -> bool:
            tasks = [task for task in stage.tasks("gone") if task["state"] == "RUNNING"]
            return len(tasks) == 6 and "agent3" not in {task["agent"] for task in tasks}

        eventually(elsewhere, "six run on the other agents", 90)
    finally:
        agent.start().wait()
    stage.at_rest("gone", 6, 120)


@long
def test_the_session_of_the_leader_expires(stage: Stage) -> None:
    """ZooKeeper is away for as long as the session lasts, and forgets it."""
    stage.submit("expired", workers(6))
    before = stage.ids("expired")
    leader = stage.leader()
    with stage.frozen(leader):
        time.sleep(2 * SESSION_SECONDS)
        assert b"Mode:" in four_letters(stage.cluster.zookeeper_address, b"srvr")
    eventually(lambda: leader.pid is None, "who lost its session ends by itself", 30)
    assert stage.at_rest("expired", 6) == before


@long
def test_master_agent_and_leader_are_killed_together(stage: Stage) -> None:
    stage.submit("all", workers(12))
    before = stage.ids("all")
    for daemon in (stage.leader(), stage.cluster.daemon("master1"), stage.cluster.daemon("agent1")):
        daemon.kill(signal.SIGKILL)
    assert stage.at_rest("all", 12, 120) == before


@long
def test_a_store_that_has_lost_its_tasks_destroys_none_unasked(stage: Stage) -> None:
    """Somebody has removed their records: Mesos runs what the store does not know, and an operator is asked."""
    stage.submit("amnesia", workers(12))
    before = containers("amnesia")
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
    time.sleep(5)
    assert set(before) <= set(containers("amnesia")), "nothing was stopped"
    cli.run("approve", "--yes", "strangers=11", code=1)
    cli.run("approve", "--yes", "strangers=12")
    assert not set(stage.at_rest("amnesia", 12)) & set(before)
