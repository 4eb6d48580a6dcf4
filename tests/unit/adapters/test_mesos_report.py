"""Answers of the operator API, read; their forms are those of a real master."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from framework.adapters.mesos_report import AgentReader, windows
from placement.agent import Agent, AgentState
from specs.ids import AgentId
from specs.model.resources import Resources
from tests.kit.mesos_samples import make_agent, scalar

DOMAIN = {"fault_domain": {"region": {"name": "eu"}, "zone": {"name": "eu-2"}}}
RACK = {"name": "rack", "type": "TEXT", "text": {"value": "r1"}}


def answer(*agents: dict[str, Any], recovered: tuple[dict[str, Any], ...] = (), **form: Any) -> bytes:
    told = {"type": "GET_AGENTS", "get_agents": {"agents": [*agents], "recovered_agents": [*recovered]}}
    return json.dumps(told, **({"separators": (",", ":")} | form)).encode()


def schedule(*machines: dict[str, str], seconds: int | None = 60) -> bytes:
    unavailability: dict[str, Any] = {"start": {"nanoseconds": 1795258317000000000}}
    if seconds is not None:
        unavailability["duration"] = {"nanoseconds": seconds * 1_000_000_000}
    window = {"machine_ids": [*machines], "unavailability": unavailability}
    return json.dumps({"get_maintenance_schedule": {"schedule": {"windows": [window]}}}).encode()


def read(content: bytes, planned: bytes | None = None) -> tuple[Agent, ...]:
    return AgentReader("apps").read(content, windows(planned) if planned else {})


def test_an_agent_is_read() -> None:
    plain = make_agent("a-S1", resources=[scalar("cpus", 4.0), scalar("mem", 512.0)])
    plain["agent_info"] |= {"attributes": [RACK], "domain": DOMAIN}
    plain["allocated_resources"] = [scalar("cpus", 1.5, allocation_info={"role": "others"})]
    assert read(answer(plain)) == (
        Agent(
            id=AgentId("a-S1"),
            hostname="agent2",
            address="127.0.1.2",
            port=5051,
            region="eu",
            zone="eu-2",
            attributes=(("rack", "r1"),),
            total=Resources(cpus_milli=4000, mem_mib=512),
            free=Resources(cpus_milli=2500, mem_mib=512),
        ),
    )


def test_agents_are_sorted_whatever_the_order_and_form() -> None:
    agents = [make_agent(f"a-S{number}") for number in (2, 0, 1)]
    wanted = ["a-S0", "a-S1", "a-S2"]
    for form in ({}, {"indent": 1}, {"separators": (", ", ": ")}):
        assert [agent.id for agent in read(answer(*agents, **form))] == wanted


def test_no_agents_at_all() -> None:
    assert read(answer()) == ()
    assert read(b'{"type":"GET_AGENTS","get_agents":{}}') == ()


def test_a_string_that_looks_like_an_agent_is_none() -> None:
    plain = make_agent()
    plain["agent_info"]["attributes"] = [RACK | {"text": {"value": 'x"},{"agent_info":{"}]'}}]
    (agent,) = read(answer(plain))
    assert agent.attributes == (("rack", 'x"},{"agent_info":{"}]'),)


@pytest.mark.parametrize(
    ("more", "state"),
    [
        ({}, AgentState.ACTIVE),
        ({"active": False}, AgentState.DISCONNECTED),
        ({"active": False, "deactivated": True}, AgentState.DEACTIVATED),
        ({"active": False, "deactivated": True, "drain_info": {"state": "DRAINING"}}, AgentState.DRAINING),
        ({"active": False, "deactivated": True, "drain_info": {"state": "DRAINED"}}, AgentState.DRAINED),
    ],
)
def test_the_state_is_what_the_master_says(more: dict[str, Any], state: AgentState) -> None:
    assert [agent.state for agent in read(answer(make_agent(**more)))] == [state]


def test_agents_that_a_new_master_waits_for_are_there() -> None:
    info = make_agent("a-S1")["agent_info"] | {"resources": [scalar("cpus", 2.0)], "attributes": [RACK]}
    first, second = read(answer(make_agent("a-S0"), recovered=(info,)))
    assert (first.id, first.state) == ("a-S0", AgentState.ACTIVE)
    assert (second.id, second.hostname, second.state) == ("a-S1", "agent2", AgentState.DISCONNECTED)
    assert (second.total, second.free) == (Resources(cpus_milli=2000), None)


def test_an_agent_without_totals_has_what_it_announced() -> None:
    plain = make_agent(resources=[])
    plain["agent_info"]["resources"] = [scalar("cpus", 2.0)]
    (agent,) = read(answer(plain))
    assert agent.total == agent.free == Resources(cpus_milli=2000)


@pytest.mark.parametrize(
    ("machine", "is_meant"),
    [
        ({"hostname": "agent1", "ip": "127.0.1.1"}, True),
        ({"hostname": "AGENT1", "ip": "127.0.1.1"}, True),
        ({"hostname": "agent1"}, True),
        ({"ip": "127.0.1.1"}, True),
        ({"hostname": "agent1", "ip": "127.0.1.2"}, False),
        ({"hostname": "agent2"}, False),
        ({}, False),
    ],
)
def test_windows_are_for_machines(machine: dict[str, str], is_meant: bool) -> None:
    (agent,) = read(answer(make_agent()), schedule(machine))
    assert agent.window == ((1795258317.0, 1795258377.0) if is_meant else None)


def test_a_window_may_have_no_end_and_a_schedule_no_window() -> None:
    (agent,) = read(answer(make_agent()), schedule({"hostname": "agent1"}, seconds=None))
    assert agent.window == (1795258317.0, math.inf)
    assert windows(b'{"get_maintenance_schedule":{"schedule":{}}}') == {}
    assert windows(b'{"get_maintenance_schedule":{}}') == {}


def test_an_agent_that_is_as_it_was_is_the_same_value() -> None:
    reader = AgentReader("apps")
    one, two = make_agent("a-S0"), make_agent("a-S1")
    before = reader.read(answer(one, two), {})
    after = reader.read(answer(two | {"active": False}, one), {})
    assert after[0] is before[0]
    assert after[1] is not before[1]
    assert after[1].state is AgentState.DISCONNECTED
    assert reader.read(answer(one), {}) == (before[0],)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"get_agents":[]}',
        b'{"get_agents":{"agents":[{"agent_info":{"id":1}}]}}',
        b'{"get_agents":{"agents":[{"agent_info":{"id":{"value":"a"}',
        answer(make_agent(resources=[scalar("cpus", 1.0) | {"scalar": {}}])),
        answer(make_agent(), {"no": "agent"}),
    ],
)
def test_another_shape_is_told(content: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
        read(content)
