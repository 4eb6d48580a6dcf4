"""The exam of Mesos: what the scheduler rests on, asked of the real one and of the simulation's model alike."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from framework.local.cluster import Cluster
from tests.conformance.contract_mesos import CPUS, EXECUTOR_ID, LONG, MEM, UNHEARD, Json, Mesos, Talk, short
from tests.conformance.contract_mesos_model import ModelMesos
from tests.conformance.contract_mesos_real import RealMesos, real_cluster

Real = tuple[Cluster, Path]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    with real_cluster(tmp_path_factory.mktemp("exam")) as found:
        yield found


@pytest.fixture(params=["model", pytest.param("real", marks=pytest.mark.cluster)])
def mesos(request: pytest.FixtureRequest) -> Iterator[Mesos]:
    if request.param == "model":
        yield ModelMesos()
        return
    found = RealMesos(*request.getfixturevalue("real"))
    yield found
    found.tidy()


@pytest.fixture
def talk(mesos: Mesos) -> Talk:
    return Talk(mesos)


# ---- offers ---------------------------------------------------------------------------


def test_every_agent_is_offered_once_with_all_it_has(talk: Talk, mesos: Mesos) -> None:
    first, second = talk.offer("agent1"), talk.offer("agent2")
    assert first["agent_id"] != second["agent_id"] and first["id"] != second["id"]
    assert first["framework_id"]["value"] == talk.id
    assert first["allocation_info"] == {"role": "*"}
    kinds = {each["name"]: each["type"] for each in first["resources"]}
    assert kinds["cpus"] == kinds["mem"] == "SCALAR" and kinds["ports"] == "RANGES"
    assert all(each["allocation_info"] == {"role": "*"} for each in first["resources"])
    mesos.allocations(3)
    assert len(talk.all_offers()) == 2, "what is offered already is not offered again"


def test_what_is_declined_is_offered_again_when_its_filter_is_over_or_revived(talk: Talk, mesos: Mesos) -> None:
    talk.decline([talk.offer("agent1")], LONG)
    talk.decline([talk.offer("agent2")], 0.0)
    again = talk.offer("agent2", after=2)
    talk.decline([again], 0.0)
    talk.offer("agent2", after=3)
    assert [offer["hostname"] for offer in talk.all_offers()].count("agent1") == 1
    talk.framework.call("REVIVE")
    talk.offer("agent1", after=2)


def test_nothing_is_offered_to_one_that_is_suppressed(talk: Talk, mesos: Mesos) -> None:
    before = [talk.offer("agent1"), talk.offer("agent2")]
    talk.framework.call("SUPPRESS")
    talk.decline(before, 0.0)
    mesos.allocations(5)
    assert len(talk.all_offers()) == 2
    talk.framework.call("REVIVE")
    talk.offer("agent1", after=2)
    talk.offer("agent2", after=2)


def test_an_offer_of_an_agent_that_goes_is_rescinded(talk: Talk, mesos: Mesos) -> None:
    offer = talk.offer("agent1")
    mesos.kill_agent("agent1")
    mesos.wait(lambda: {"offer_id": offer["id"]} in talk.of("RESCIND"), "RESCIND")
    mesos.start_agent("agent1")
    talk.offer("agent1", after=2)


def test_what_an_offer_leaves_is_offered_without_what_is_used(talk: Talk) -> None:
    offer = talk.run("one", on="agent1")
    talk.framework.call("REVIVE")
    count = len(talk.all_offers())
    rest = talk.offer("agent1", after=count - 1 if talk.all_offers()[-1]["id"] != offer["id"] else count)
    assert _scalar(offer, "cpus") - _scalar(rest, "cpus") == pytest.approx(CPUS + 0.01)
    assert _scalar(offer, "mem") - _scalar(rest, "mem") == pytest.approx(MEM + 32.0)
    assert rest["executor_ids"] == [{"value": EXECUTOR_ID}]


def _scalar(offer: Json, name: str) -> float:
    return sum(float(each["scalar"]["value"]) for each in offer["resources"] if each["name"] == name)


# ---- tasks ------------------------------------------------------------------------------


def test_statuses_come_one_by_one_as_they_are_acknowledged(talk: Talk, mesos: Mesos) -> None:
    offer = talk.offer("agent1")
    talk.launch("one", offer=offer)
    starting = talk.status("one", "TASK_STARTING")
    assert short(starting) == ("TASK_STARTING", "SOURCE_EXECUTOR", "", True)
    assert starting["agent_id"] == offer["agent_id"] and starting["executor_id"]["value"] == EXECUTOR_ID
    mesos.wait(lambda: len(talk.statuses("one")) > 1, "the same again")
    assert [each["uuid"] for each in talk.statuses("one")] == [starting["uuid"]] * 2, "the same is told again"
    assert talk.reconcile("one")["state"] == "TASK_STARTING", "what is told, not what is"
    talk.acknowledge(starting)
    running = talk.until("one", "TASK_RUNNING")
    assert short(running) == ("TASK_RUNNING", "SOURCE_EXECUTOR", "", True)
    talk.kill("one", offer["agent_id"]["value"])
    talk.until("one", "TASK_KILLING")
    assert short(talk.until("one", "TASK_KILLED")) == ("TASK_KILLED", "SOURCE_EXECUTOR", "", True)


def test_tasks_on_an_offer_that_is_not_there_are_dropped(talk: Talk, mesos: Mesos) -> None:
    offer = talk.run("one", on="agent1")
    talk.launch("two", "three", offer=offer)
    for name in ("two", "three"):
        dropped = talk.status(name, "TASK_DROPPED")
        assert short(dropped) == ("TASK_DROPPED", "SOURCE_MASTER", "REASON_INVALID_OFFERS", False)


def test_a_task_for_an_agent_that_has_gone_is_dropped(talk: Talk, mesos: Mesos) -> None:
    offer = talk.offer("agent1")
    mesos.kill_agent("agent1")
    mesos.wait(lambda: talk.of("RESCIND"), "RESCIND")
    talk.launch("one", offer=offer)
    assert short(talk.status("one", "TASK_DROPPED"))[1:] == ("SOURCE_MASTER", "REASON_INVALID_OFFERS", False)


def test_a_kill_of_a_task_that_nobody_knows_is_answered(talk: Talk) -> None:
    offer = talk.offer("agent1")
    talk.kill("nobody")
    assert short(talk.status("nobody", "TASK_UNKNOWN")) == (
        "TASK_UNKNOWN",
        "SOURCE_MASTER",
        "REASON_RECONCILIATION",
        False,
    )
    talk.kill("nothing", offer["agent_id"]["value"])
    assert short(talk.status("nothing", "TASK_GONE"))[1:] == ("SOURCE_MASTER", "REASON_RECONCILIATION", False)


def test_an_executor_that_cannot_be_fetched_fails_its_tasks(talk: Talk, mesos: Mesos) -> None:
    broken = mesos.executor()
    broken["executor_id"] = {"value": "broken"}
    broken["command"] = {"value": "true", "uris": [{"value": f"{UNHEARD}executor.pyz"}]}
    talk.launch("one", "two", offer=talk.offer("agent1"), executor=broken)
    for name in ("one", "two"):
        failed = talk.until(name, "TASK_FAILED")
        assert short(failed) == ("TASK_FAILED", "SOURCE_AGENT", "REASON_CONTAINER_LAUNCH_FAILED", True)


# ---- reconciliation ---------------------------------------------------------------------


def test_what_is_asked_about_is_answered_by_what_is_known_of_task_and_agent(talk: Talk, mesos: Mesos) -> None:
    offer = talk.run("one", on="agent1")
    agent_id = offer["agent_id"]["value"]
    assert short(talk.reconcile("one", agent_id)) == ("TASK_RUNNING", "SOURCE_MASTER", "REASON_RECONCILIATION", False)
    assert talk.reconcile("one")["state"] == "TASK_RUNNING"
    assert talk.reconcile("nobody", agent_id)["state"] == "TASK_GONE"
    assert talk.reconcile("nobody")["state"] == "TASK_UNKNOWN"
    assert talk.reconcile("nobody", "no-such-agent")["state"] == "TASK_UNKNOWN"


def test_asked_for_everything_it_tells_of_all_tasks(talk: Talk, mesos: Mesos) -> None:
    talk.run("one", "two", on="agent1")
    talk.run("three", on="agent2")
    before = len(talk.of("UPDATE"))
    talk.reconcile_all()
    mesos.wait(lambda: len(talk.of("UPDATE")) >= before + 3, "three statuses")
    told = [each["status"] for each in talk.of("UPDATE")[before:]]
    assert sorted(each["task_id"]["value"] for each in told) == ["one", "three", "two"]
    assert {short(each) for each in told} == {("TASK_RUNNING", "SOURCE_MASTER", "REASON_RECONCILIATION", False)}


def test_a_task_whose_end_is_acknowledged_is_forgotten(talk: Talk) -> None:
    agent_id = talk.run("one", on="agent1")["agent_id"]["value"]
    talk.kill("one", agent_id)
    killed = talk.until("one", "TASK_KILLED")
    talk.mesos.wait(lambda: talk.reconcile("one", agent_id)["state"] == "TASK_GONE", "that the master forgets")
    assert killed["uuid"]


# ---- executors and agents that fail ---------------------------------------------------------


def test_an_executor_that_dies_fails_its_tasks(talk: Talk, mesos: Mesos) -> None:
    agent_id = talk.run("one", "two", on="agent1")["agent_id"]["value"]
    mesos.kill_executors("agent1")
    for name in ("one", "two"):
        failed = talk.until(name, "TASK_FAILED")
        assert short(failed) == ("TASK_FAILED", "SOURCE_AGENT", "REASON_EXECUTOR_TERMINATED", True)
    mesos.wait(lambda: talk.of("FAILURE"), "FAILURE")
    failure = talk.of("FAILURE")[0]
    assert failure["executor_id"]["value"] == EXECUTOR_ID and failure["agent_id"]["value"] == agent_id
    assert failure["status"] == 9


def test_tasks_outlive_their_agents_restart(talk: Talk, mesos: Mesos) -> None:
    agent_id = talk.run("one", on="agent1")["agent_id"]["value"]
    known = {each["uuid"] for each in talk.statuses("one")}
    mesos.kill_agent("agent1")
    assert talk.reconcile("one", agent_id)["state"] == "TASK_RUNNING", "nothing is known yet"
    mesos.start_agent("agent1")
    talk.framework.call("REVIVE")
    talk.offer("agent1", after=len(talk.all_offers()))
    told = {each["uuid"] for each in talk.statuses("one") if "uuid" in each}
    assert told == known, "nothing new is told"
    talk.kill("one", agent_id)
    talk.until("one", "TASK_KILLED")


def test_an_executor_that_dies_while_its_agent_is_away_has_failed_its_tasks(talk: Talk, mesos: Mesos) -> None:
    talk.run("one", on="agent1")
    mesos.kill_agent("agent1")
    mesos.kill_executors("agent1")
    mesos.start_agent("agent1")
    ended = talk.end("one")
    assert short(ended) == ("TASK_FAILED", "SOURCE_AGENT", "REASON_EXECUTOR_TERMINATED", True)


def test_an_executor_that_does_not_come_back_to_a_restarted_agent_is_ended(talk: Talk, mesos: Mesos) -> None:
    talk.run("one", on="agent1")
    mesos.freeze_executors("agent1")
    mesos.kill_agent("agent1")
    mesos.start_agent("agent1")
    reason = "REASON_EXECUTOR_REREGISTRATION_TIMEOUT"
    assert short(talk.end("one")) == ("TASK_GONE", "SOURCE_AGENT", reason, True)


def test_a_machine_that_starts_anew_keeps_its_agents_id_and_its_tasks_have_failed(talk: Talk, mesos: Mesos) -> None:
    agent_id = talk.run("one", on="agent1")["agent_id"]["value"]
    mesos.reboot_agent("agent1")
    ended = talk.end("one")
    assert short(ended) == ("TASK_FAILED", "SOURCE_AGENT", "REASON_EXECUTOR_TERMINATED", True)
    assert ended["agent_id"]["value"] == agent_id
    assert talk.offer("agent1", after=2)["agent_id"]["value"] == agent_id


def test_an_unreachable_agents_tasks_are_told_of_and_told_of_again_when_it_is_back(talk: Talk, mesos: Mesos) -> None:
    agent_id = talk.run("one", on="agent1")["agent_id"]["value"]
    mesos.freeze_agent("agent1")
    away = talk.status("one", "TASK_UNREACHABLE")
    assert short(away) == ("TASK_UNREACHABLE", "SOURCE_MASTER", "REASON_AGENT_REMOVED", False)
    mesos.wait(lambda: {"agent_id": {"value": agent_id}} in talk.of("FAILURE"), "FAILURE")
    assert talk.reconcile("one", agent_id)["state"] == "TASK_UNREACHABLE"
    assert talk.reconcile("nobody", agent_id)["state"] == "TASK_UNREACHABLE"
    talk.kill("one", agent_id)
    count = len(talk.statuses("one"))
    mesos.thaw_agent("agent1")
    back = talk.status("one", "TASK_RUNNING", after=count)
    assert short(back) == ("TASK_RUNNING", "SOURCE_MASTER", "REASON_AGENT_REREGISTERED", False)
    assert talk.offer("agent1", after=2)["agent_id"]["value"] == agent_id, "a kill meanwhile was not heard"
    assert talk.reconcile("one", agent_id)["state"] == "TASK_RUNNING"


def test_asked_for_everything_it_tells_of_unreachable_tasks_or_not(talk: Talk, mesos: Mesos) -> None:
    talk.run("one", on="agent1")
    talk.run("two", on="agent2")
    mesos.freeze_agent("agent1")
    talk.status("one", "TASK_UNREACHABLE")
    before = len(talk.of("UPDATE"))
    talk.reconcile_all()
    talk.reconcile("nobody")
    told = [each["status"]["task_id"]["value"] for each in talk.of("UPDATE")[before:]]
    assert told == ["two", "nobody"]


# ---- subscriptions ----------------------------------------------------------------------------


def test_a_second_subscription_ends_the_first_and_inherits_what_it_declined(talk: Talk, mesos: Mesos) -> None:
    talk.run("one", on="agent1")
    second = Talk(mesos, talk.id)
    assert second.framework.events[0]["type"] == "SUBSCRIBED" and second.id == talk.id
    mesos.wait(lambda: talk.of("ERROR"), "ERROR")
    assert talk.of("ERROR")[0]["message"] == "Framework failed over"
    mesos.wait(lambda: talk.framework.is_closed, "the end of the first connection")
    second.offer("agent2")
    mesos.allocations(3)
    assert [each["hostname"] for each in second.all_offers()] == ["agent2"], "the first declined agent1's for long"
    assert second.reconcile("one")["state"] == "TASK_RUNNING"
    second.framework.call("REVIVE")
    second.offer("agent1")


def test_a_subscription_after_the_end_of_another_is_offered_everything(talk: Talk, mesos: Mesos) -> None:
    talk.run("one", on="agent1")
    talk.framework.disconnect()
    mesos.wait(lambda: not mesos.is_connected(talk.id), "that the master takes note")
    second = Talk(mesos, talk.id)
    second.offer("agent1")
    second.offer("agent2")


def test_what_is_unacknowledged_is_told_to_the_next_subscription(talk: Talk, mesos: Mesos) -> None:
    talk.launch("one", offer=talk.offer("agent1"))
    starting = talk.status("one", "TASK_STARTING")
    talk.framework.disconnect()
    second = Talk(mesos, talk.id)
    again = second.status("one", "TASK_STARTING")
    assert again["uuid"] == starting["uuid"]
    second.until("one", "TASK_RUNNING")


def test_a_framework_that_is_away_for_too_long_is_removed(mesos: Mesos) -> None:
    talk = Talk(mesos, failover_seconds=1.0)
    talk.run("one", on="agent1")
    talk.framework.disconnect()
    mesos.wait(lambda: not _runs_anything(mesos), "the end of what it had")
    second = Talk(mesos, talk.id)
    mesos.wait(lambda: second.of("ERROR"), "ERROR")
    assert second.of("ERROR")[0]["message"] == "Framework has been removed"


def _runs_anything(mesos: Mesos) -> bool:
    agents = mesos.agents()["get_agents"]["agents"]
    return any(agent.get("allocated_resources") for agent in agents)


# ---- draining -------------------------------------------------------------------------------------


def test_an_agent_that_is_drained_ends_its_tasks_and_is_not_offered(talk: Talk, mesos: Mesos) -> None:
    agent_id = talk.run("one", on="agent1")["agent_id"]["value"]
    talk.decline([talk.offer("agent2")])
    talk.framework.call("REVIVE")
    offer = talk.offer("agent1", after=2)
    mesos.drain(agent_id)
    mesos.wait(lambda: {"offer_id": offer["id"]} in talk.of("RESCIND"), "RESCIND")
    assert _drain_state(mesos, agent_id) == "DRAINING"
    killing = talk.until("one", "TASK_KILLING")
    assert short(killing) == ("TASK_KILLING", "SOURCE_EXECUTOR", "REASON_AGENT_DRAINING", True)
    killed = talk.until("one", "TASK_KILLED")
    assert short(killed) == ("TASK_KILLED", "SOURCE_EXECUTOR", "REASON_AGENT_DRAINING", True)
    mesos.wait(lambda: _drain_state(mesos, agent_id) == "DRAINED", "DRAINED")
    count = len(talk.all_offers())
    mesos.allocations(3)
    assert all(each["hostname"] != "agent1" for each in talk.all_offers()[count:])
    mesos.reactivate(agent_id)
    assert talk.offer("agent1", after=count)["agent_id"]["value"] == agent_id
    assert _drain_state(mesos, agent_id) == ""


def _drain_state(mesos: Mesos, agent_id: str) -> str:
    agents = mesos.agents()["get_agents"]["agents"]
    (found,) = (agent for agent in agents if agent["agent_info"]["id"]["value"] == agent_id)
    return str(found.get("drain_info", {}).get("state", ""))
