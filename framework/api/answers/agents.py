"""Answers about agents: those that are known, and what is lost with one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from framework.api.answers.amounts import Amounts, amounts
from framework.api.answers.base import Shape, Standing, standing
from framework.core.read.gone_agents import Loss
from framework.core.views import AgentView, View
from placement.agent import Agent
from specs.states import TaskState

_Counts = dict[tuple[str, str], int]
"""Numbers of tasks by group and version."""


class AgentTasks(Shape):
    group: Annotated[str, Field(examples=["shop/web[prod]"])]
    version: Annotated[str, Field(examples=["3f2a9c1d0b7e"])]
    count: Annotated[int, Field(examples=[2])]


class AgentLine(Shape):
    id: str
    hostname: Annotated[str, Field(examples=["agent1"])]
    address: Annotated[str, Field(examples=["10.0.0.5"])]
    port: Annotated[int, Field(examples=[5051])]
    region: str
    zone: str
    attributes: Annotated[
        dict[str, str | list[str]],
        Field(description="a list where the agent was given an attribute several times", examples=[{"rack": "r1"}]),
    ]
    state: Annotated[
        str, Field(description="active, draining, drained, deactivated or disconnected", examples=["active"])
    ]
    unavailable: Annotated[
        str, Field(description="why no task goes there; empty where some may", examples=["is draining"])
    ]
    maintenance: Annotated[
        list[float | None] | None,
        Field(
            description="its begin and its end (null: none is planned), seconds since 1970",
            examples=[[1732170000.5, None]],
        ),
    ]
    total: Annotated[Amounts | None, Field(description="what our role may use; null where the master did not tell")]
    free: Annotated[Amounts | None, Field(description="of that, what nobody used when the master was last asked")]
    offered: Annotated[Amounts | None, Field(description="what the scheduler holds in offers now")]
    tasks: Annotated[list[AgentTasks], Field(description="ours")]


class AgentsAnswer(Standing):
    """All agents that are known, by host name."""

    agents_problem: Annotated[str, Field(description="why the master did not tell its agents; empty where it did")]
    region: Annotated[str, Field(description="the master's")]
    executor: Amounts
    agents: list[AgentLine]


class AgentLoss(Shape):
    agent: Annotated[str, Field(description="its host name", examples=["agent3"])]
    agent_id: str
    alive: Annotated[str, Field(description="how the master has it registered, in a phrase; empty where it has not")]
    tasks: Annotated[list[str], Field(description="ours that have not ended there")]
    slots: Annotated[list[str], Field(description="those of these tasks", examples=[["shop/web[prod]/2"]])]
    volumes: Annotated[
        list[str],
        Field(
            description="on the agent itself, of groups that have or had a task there", examples=[["/data: of shop/db"]]
        ),
    ]
    stacks: Annotated[
        list[str], Field(description="they are being removed, and wait for the agent", examples=[["shop"]])
    ]


class LossAnswer(AgentLoss):
    others: Annotated[dict[str, int], Field(description="tasks of other frameworks there, by the frameworks' names")]
    others_problem: Annotated[str, Field(description="why these are not known; empty where they are")]


class GoneAnswer(AgentLoss):
    message: str


def agents_answer(view: View) -> AgentsAnswer:
    """All agents, by host name, with our tasks on them."""
    counts = _task_counts(view)
    agents = sorted(view.agents.values(), key=lambda one: (one.agent.hostname, one.agent.id))
    return {
        **standing(view),
        "agents_problem": view.agents_problem,
        "region": view.region,
        "executor": amounts(view.executor),
        "agents": [_agent_line(one, counts.get(one.agent.id, {})) for one in agents],
    }


def loss_answer(loss: Loss, others: Mapping[str, int], others_problem: str) -> LossAnswer:
    """The loss with an agent, and the tasks of other frameworks there."""
    return {**_agent_loss(loss), "others": dict(others), "others_problem": others_problem}


def gone_answer(loss: Loss, message: str) -> GoneAnswer:
    """The loss with an agent that was marked as gone."""
    return {**_agent_loss(loss), "message": message}


def _agent_loss(loss: Loss) -> AgentLoss:
    return {
        "agent": loss.hostname,
        "agent_id": loss.agent_id,
        "alive": loss.alive,
        "tasks": [task.id for task in loss.tasks],
        "slots": list(loss.slots),
        "volumes": list(loss.volumes),
        "stacks": list(loss.stacks),
    }


def _task_counts(view: View) -> dict[str, _Counts]:
    """Our tasks by agent."""
    found: dict[str, _Counts] = {}
    for stack in view.stacks.values():
        for group in stack.groups:
            for task in group.tasks:
                if not task.state.is_terminal and task.state is not TaskState.UNREACHABLE:
                    counts = found.setdefault(task.agent_id, {})
                    key = (str(task.group), task.version)
                    counts[key] = counts.get(key, 0) + 1
    return found


def _agent_line(one: AgentView, counts: _Counts) -> AgentLine:
    agent = one.agent
    return {
        "id": agent.id,
        "hostname": agent.hostname,
        "address": agent.address,
        "port": agent.port,
        "region": agent.region,
        "zone": agent.zone,
        "attributes": _attributes(agent),
        "state": agent.state.value,
        "unavailable": one.unavailable,
        "maintenance": [_finite(moment) for moment in agent.window] if agent.window else None,
        "total": amounts(agent.total) if agent.total else None,
        "free": amounts(agent.free) if agent.free else None,
        "offered": amounts(one.offered) if one.offered else None,
        "tasks": [
            {"group": group, "version": version, "count": counts[group, version]} for group, version in sorted(counts)
        ],
    }


def _attributes(agent: Agent) -> dict[str, str | list[str]]:
    """By name; a list where the agent has several values."""
    found: dict[str, list[str]] = {}
    for name, text in agent.attributes:
        found.setdefault(name, []).append(text)
    return {name: texts[0] if len(texts) == 1 else texts for name, texts in found.items()}


def _finite(moment: float) -> float | None:
    return None if moment == float("inf") else moment
