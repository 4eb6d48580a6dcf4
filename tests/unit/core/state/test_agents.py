"""Known facts about agents, and the groups that they failed lately."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from framework.core.model import AgentFailures, KnownAgent
from framework.core.state.agent_failures import MOST_GROUPS, count_now, penalties, points_for, with_failure
from framework.core.state.agents import Agents, utc
from framework.core.state.executor_choice import MOST_RESERVATIONS, Reservations
from placement.agent import Agent, AgentState
from placement.offer import ReservationPool
from specs.executor_ids import executor_variant
from specs.ids import AgentId, group_id
from specs.model.resources import Resources
from tests.kit.conversation import SETTINGS, Conversation

ONE = Agent(id=AgentId("agent-1"), hostname="agent1")
WEB = group_id("shop", "web")
HALF = SETTINGS.failure_half_life_seconds


@pytest.mark.parametrize("at", [0.0, 951_782_400.0, 951_868_799.9, 1_709_210_096.0, 1_735_689_599.0, 4_102_444_800.0])
def test_instants_are_told_as_people_read_them(at: float) -> None:
    assert utc(at) == f"{datetime.fromtimestamp(int(at), UTC):%Y-%m-%d %H:%M:%SZ}"


@pytest.mark.parametrize(
    ("agent", "cause"),
    [
        (Agent(id=ONE.id, hostname="a"), ""),
        (Agent(id=ONE.id, hostname="a", state=AgentState.DRAINING), "is draining"),
        (Agent(id=ONE.id, hostname="a", state=AgentState.DRAINED), "is drained"),
        (Agent(id=ONE.id, hostname="a", state=AgentState.DEACTIVATED), "is deactivated"),
        (Agent(id=ONE.id, hostname="a", state=AgentState.DISCONNECTED), "is disconnected"),
        (Agent(id=ONE.id, hostname="a", window=(1000.0, 2000.0)), ""),
        (Agent(id=ONE.id, hostname="a", window=(150.0, 2000.0)), "has maintenance from 1970-01-01 00:02:30Z on"),
        (Agent(id=ONE.id, hostname="a", window=(50.0, 2000.0)), "is in maintenance until 1970-01-01 00:33:20Z"),
        (Agent(id=ONE.id, hostname="a", window=(50.0, float("inf"))), "is in maintenance"),
        (Agent(id=ONE.id, hostname="a", window=(50.0, 100.0)), ""),
    ],
)
def test_who_is_avoided_and_why(agent: Agent, cause: str) -> None:
    agents = Agents()
    agents.report([agent])
    agents.find_unavailable(100.0, 60.0)
    assert agents.unavailable.get(agent.id, "") == cause


def test_the_next_boundary_is_when_a_window_changes_something() -> None:
    agents = Agents()
    agents.report([Agent(id=ONE.id, hostname="a", window=(1000.0, 2000.0))])
    found = []
    for now in (0.0, 940.0, 1000.0, 2000.0):
        agents.find_unavailable(now, 60.0)
        found.append(agents.boundary)
    assert found == [940.0, 1000.0, 2000.0, 0.0]


def test_what_is_free_is_no_news_to_those_who_look_at_facts() -> None:
    agents = Agents()
    agents.report([ONE])
    before, cluster = agents.revision, agents.cluster
    agents.report([Agent(id=ONE.id, hostname=ONE.hostname, free=Resources(cpus_milli=5))])
    assert agents.revision == before
    assert agents.cluster is not cluster and agents.cluster.agents[0].free == Resources(cpus_milli=5)


def test_an_offer_of_an_agent_that_drained_when_last_told_says_that_it_is_over() -> None:
    agents = Agents()
    agents.report([Agent(id=ONE.id, hostname="agent1", state=AgentState.DRAINED, total=Resources(cpus_milli=7))])
    agents.take_offers([Conversation().offer(1)])
    assert agents.present[ONE.id].state is AgentState.ACTIVE
    assert agents.present[ONE.id].total == Resources(cpus_milli=7)


def test_failures_halve_with_time_and_are_forgotten() -> None:
    failures = AgentFailures(group=WEB, count=2.0, at=1000.0)
    assert [count_now(failures, 1000.0 + after * HALF, SETTINGS) for after in (-1, 0, 1, 4, 5)] == [2, 2, 1, 0.125, 0]
    assert [points_for(count) for count in (0.1, 0.5, 3.0)] == [2, 10, 60]
    known = {WEB: {ONE.id: failures}}
    assert penalties(known, WEB, 1000.0, SETTINGS) == {ONE.id: 40}
    assert penalties(known, WEB, 1000.0 + 9 * HALF, SETTINGS) == {}
    assert penalties(known, group_id("shop", "db"), 1000.0, SETTINGS) == {}


def test_another_failure_adds_to_what_is_left_of_those_before() -> None:
    agent = with_failure(KnownAgent(id=ONE.id, hostname="a"), WEB, 1000.0, SETTINGS)
    agent = with_failure(agent, WEB, 1000.0 + HALF, SETTINGS)
    assert agent.failures == (AgentFailures(group=WEB, count=1.5, at=1000.0 + HALF),)


def test_an_agent_remembers_failures_of_so_many_groups() -> None:
    agent = KnownAgent(id=ONE.id, hostname="a")
    for number in range(MOST_GROUPS + 10):
        agent = with_failure(agent, group_id("shop", f"group{number}"), 1000.0 + number, SETTINGS)
    assert len(agent.failures) == MOST_GROUPS
    assert {failures.group.service for failures in agent.failures} == {f"group{n}" for n in range(10, MOST_GROUPS + 10)}


def test_so_many_reservations_are_remembered() -> None:
    reservations = Reservations()
    talk = Conversation()
    for number in range(MOST_RESERVATIONS + 1):
        pools = (ReservationPool(reservation=f"[{number}]", resources=Resources()),)
        reservations.take_offers(SETTINGS.executor_id, [talk.offer(1, pools=pools)])
    assert reservations.of(executor_variant(SETTINGS.executor_id, "[0]"), SETTINGS.executor_id) is None
    assert reservations.of(executor_variant(SETTINGS.executor_id, "[1]"), SETTINGS.executor_id) == "[1]"
