"""The slots of global groups, each with its agent; and the agents on which any group can run at all."""

from __future__ import annotations

from dataclasses import replace

from framework.core.groups.completion import has_finished
from framework.core.launch.launch import bare_request
from framework.core.model import GroupSpec, Task
from framework.core.state.agents import DRAINING, Agents
from framework.core.state.context import Context
from placement.agent import AgentState
from placement.cluster_snapshot import ClusterSnapshot
from placement.engine import eligible, place
from placement.request import Overhead, Request
from specs.ids import AgentId
from specs.states import Goal


def global_slots(context: Context, spec: GroupSpec) -> dict[int, AgentId | None]:
    """The wanted slots of a global group, with their agents.

    An agent keeps the slot of its task; other agents get the lowest free numbers. A running task keeps its slot until
    its agent drains or no longer fits. An agent that is away or unavailable for new tasks does not end it: Mesos
    reports lost tasks. Until the agents are known no task is stopped, and no new slot is wanted.
    """
    state, agents = context.state, context.agents
    index = state.group(spec.id)
    fitting = dict.fromkeys(eligible(*_requested(context, spec)))
    wanted: dict[int, AgentId | None] = {}
    taken: dict[AgentId, None] = {}
    for slot, agent_id in _claims(context, spec):
        holder = index.holders.get(slot)
        runs = holder is not None and state.tasks[holder].goal is Goal.RUN
        if agent_id in taken:
            continue
        if runs:
            keeps = not agents.is_known or _may_stay(agents, agent_id, fitting)
        elif has_finished(state, spec, slot):
            keeps = not agents.is_known or agent_id in agents.present
        else:
            keeps = agents.is_known and _may_come(agents, agent_id, fitting)
        if keeps:
            wanted[slot] = agent_id
            taken[agent_id] = None
    if agents.is_known:
        new = (agent_id for agent_id in fitting if agent_id not in taken and _may_come(agents, agent_id, fitting))
        number = 0
        for agent_id in new:
            while number in wanted or number in index.holders:
                number += 1
            wanted[number] = agent_id
            number += 1
    return dict(sorted(wanted.items()))


def _claims(context: Context, spec: GroupSpec) -> list[tuple[int, AgentId]]:
    """The known slots with their agents, ready ones first. The agent is that of the slot's holder, else the one
    remembered, else that of the task that finished in the slot."""
    state = context.state
    index = state.group(spec.id)
    claims: dict[int, AgentId] = {}
    for slot, id in index.last_ended.items():
        if has_finished(state, spec, slot):
            claims[slot] = state.tasks[id].agent_id
    claims |= {slot: agent_id for slot, agent_id in index.wanted.items() if agent_id is not None}
    claims |= {slot: state.tasks[id].agent_id for slot, id in index.holders.items()}
    return sorted(
        claims.items(), key=lambda claim: (claim[0] not in index.ready, claim[0] not in index.holders, claim[0])
    )


def _may_stay(agents: Agents, agent_id: AgentId, fitting: dict[AgentId, None]) -> bool:
    agent = agents.present.get(agent_id)
    return agent is None or (agent.state not in DRAINING and agent_id in fitting)


def _may_come(agents: Agents, agent_id: AgentId, fitting: dict[AgentId, None]) -> bool:
    return agent_id in fitting and agent_id in agents.present and agent_id not in agents.unavailable


def _requested(context: Context, spec: GroupSpec) -> tuple[Request, ClusterSnapshot]:
    """The request and a snapshot by which only constraints and size decide. Unavailable agents are checked later, as
    tasks there can run on."""
    snapshot = ClusterSnapshot(
        cluster=context.agents.cluster,
        free={},
        overhead=Overhead(resources=context.settings.executor_resources),
        region=context.agents.region,
    )
    return bare_request(context.state, spec), snapshot


def fits_somewhere(context: Context, spec: GroupSpec) -> bool:
    """Whether a group could run on some available agent if that were empty."""
    request, snapshot = _requested(context, spec)
    return bool(eligible(request, replace(snapshot, unavailable=context.agents.unavailable)))


def why_not_there(context: Context, task: Task) -> str:
    """Why a task of a global group has lost its slot."""
    agent = context.agents.present.get(task.agent_id)
    if agent is not None and agent.state in DRAINING:
        return f"agent {agent.hostname} {'is draining' if agent.state is AgentState.DRAINING else 'is drained'}"
    wanted = context.state.group(task.group).wanted
    if task.agent_id in wanted.values():
        return f"agent {task.hostname} has one already"
    return f"agent {task.hostname} no longer fits"


def why_nowhere(context: Context, spec: GroupSpec) -> str:
    """Why a global group is on no agent, a sentence."""
    request, snapshot = _requested(context, spec)
    agents = context.agents
    asked = Request(
        group=request.group,
        version=request.version,
        slots=(0,),
        instances=1,
        resources=request.resources,
        host_ports=request.host_ports,
        rules=request.rules,
    )
    avoiding = ClusterSnapshot(
        cluster=snapshot.cluster,
        free={},
        overhead=snapshot.overhead,
        unavailable=agents.unavailable,
        region=snapshot.region,
    )
    refused = place((asked,), avoiding, seed=0).refusals[spec.id]
    return f"runs on every agent that fits: {refused.sentence()}"
