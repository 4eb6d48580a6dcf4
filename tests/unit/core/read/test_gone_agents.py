"""The wait for an agent that may be gone for good, and the loss with it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from framework.core.commands import Refused
from framework.core.launch.container_sweep import NOWHERE_SECONDS
from framework.core.model import Task
from framework.core.read.explain import explain
from framework.core.read.gone_agents import find, why_not_over
from framework.core.state.agents import ABSENT
from framework.core.views import GroupState, GroupView, View
from placement.agent import AgentState
from specs.ids import AgentId, group_id
from specs.model.stack import Container, Volume
from specs.states import Goal, TaskState
from tests.kit.conversation import Conversation, group
from tests.kit.front import NOW, a_group, a_stack, a_task, a_view, an_agent

WEB, DB = group_id("shop", "web", []), group_id("shop", "db", [])
STORED = Container(
    image="db:1",
    volumes=(
        Volume(source="/data", target="/var/lib"),
        Volume(source="cache", target="/cache"),
        Volume(source="/etc/hosts", target="/etc/hosts", is_read_only=True),
        Volume(source="", target="/tmp"),
    ),
)


def lost(slot: int = 0, serial: int = 1, **more: Any) -> Task:
    more = {"agent": 2, "goal": Goal.STOP, "state_since": NOW - 600, **more}
    return a_task(WEB, slot, serial, state=TaskState.UNREACHABLE, **more)


def removing(*tasks: Task, **more: Any) -> GroupView:
    return a_group(WEB, tasks=tasks, state=GroupState.REMOVING, wanted=0, **more)


def view(*groups: GroupView, is_removed: bool = True) -> View:
    gone = replace(an_agent(2), unavailable=ABSENT)
    return a_view([a_stack("shop", groups, is_removed=is_removed)], agents=[an_agent(1), gone, an_agent(3)])


def test_a_removed_group_says_what_it_waits_for_and_what_helps() -> None:
    told = why_not_over(removing(lost(), lost(1, 2)))
    assert told == (
        "waits for 2 tasks on agent2, out of reach since 2027-01-15 07:50:00Z: Mesos gives an agent up after its own"
        " time, two weeks by default; if it never comes back, `framework agents gone agent2` ends what was there"
    )


def test_several_agents_are_named() -> None:
    told = why_not_over(removing(lost(), lost(1, 2, agent=3)))
    assert "waits for 1 task on agent2, out" in told and "; 1 task on agent3, out" in told


@pytest.mark.parametrize(
    "group_view",
    [
        removing(a_task(WEB, goal=Goal.STOP)),
        a_group(WEB, tasks=[lost(), a_task(WEB, serial=2)]),
        a_group(WEB, instances=0),
    ],
    ids=["its tasks can be reached", "another has the slot", "it has no task"],
)
def test_else_it_waits_for_no_agent(group_view: GroupView) -> None:
    assert why_not_over(group_view) == ""


def test_a_group_that_is_stopped_too() -> None:
    stopped = a_group(WEB, tasks=[lost()], is_stopped=True)
    assert "waits for 1 task on agent2" in why_not_over(stopped)
    assert (
        explain(view(stopped, is_removed=False), stopped).sentences[0].startswith("it is stopped, and waits for 1 task")
    )


def test_explain_says_so() -> None:
    group_view = removing(lost())
    first = explain(view(group_view), group_view).sentences[0]
    assert first.startswith("it is being removed, and waits for 1 task on agent2")


def test_the_loss() -> None:
    db = a_group(DB, container=STORED, ended=[a_task(DB, serial=9, agent=2, state=TaskState.FAILED)])
    found = find(view(removing(lost(), lost(1, 2)), db), "agent2")
    assert not isinstance(found, Refused)
    assert (found.agent_id, found.hostname, found.alive) == ("agent-2", "agent2", "")
    assert [task.id for task in found.tasks] == ["shop.web.0.1", "shop.web.1.2"]
    assert found.slots == ("shop/web/0", "shop/web/1")
    assert found.volumes == ("/data: of shop/db", "cache: of shop/db")
    assert found.stacks == ("shop",)
    assert find(view(removing(lost())), "agent-2") == find(view(removing(lost())), "agent2")


def test_one_that_is_registered_is_alive() -> None:
    found = find(view(), "agent1")
    assert not isinstance(found, Refused) and found.alive == "is registered with the master"
    cut_off = a_view([], agents=[an_agent(1, state=AgentState.DISCONNECTED, unavailable="is disconnected")])
    found = find(cut_off, "agent1")
    assert not isinstance(found, Refused) and "lost its connection a moment ago" in found.alive


def test_of_two_with_a_host_name_the_one_that_is_gone_is_meant() -> None:
    """The machine was started afresh, and its agent has another id."""
    again = replace(an_agent(4), agent=replace(an_agent(4).agent, hostname="agent2"))
    seen = replace(view(removing(lost())), agents={**view().agents, AgentId("agent-4"): again})
    found = find(seen, "agent2")
    assert not isinstance(found, Refused) and found.agent_id == "agent-2"
    found = find(seen, "agent-4")
    assert not isinstance(found, Refused) and found.alive


def test_of_two_that_are_gone_neither() -> None:
    refused = find(view(removing(lost(), lost(1, 2, agent_id=AgentId("agent-7")))), "agent2")
    assert isinstance(refused, Refused) and refused.kind == "conflict"
    assert refused.message.startswith("2 agents are called agent2: agent-2, agent-7; give the id of one")


def test_a_name_that_nobody_has() -> None:
    refused = find(view(), "gent2")
    assert isinstance(refused, Refused) and refused.kind == "not_found"
    assert refused.message.startswith("no agent is called gent2; did you mean agent2?; wanted the host name or id")


def test_the_stack_goes_when_mesos_says_so() -> None:
    talk = Conversation()
    talk.up(group(instances=1))
    task = talk.tasks[0]
    talk.status(task, TaskState.UNREACHABLE)
    talk.remove()
    (seen,) = talk.scheduler.view(talk.now).stacks["shop"].groups
    assert "waits for 1 task on" in why_not_over(seen)
    talk.report(*(talk.agent(number) for number in (1, 2, 3) if talk.agent(number).id != task.agent_id))
    talk.status(task, TaskState.GONE_BY_OPERATOR)
    talk.wait(NOWHERE_SECONDS + 1.0)
    assert talk.shelf.stacks == {}
