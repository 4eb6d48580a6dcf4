"""Preferred agents: where pending slots would go if every agent made an offer, and which slots wait for such an offer
(core.state.delay_scheduling)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from framework.core.state.context import Context
from framework.core.state.delay_scheduling import ANSWER_SECONDS, OFFER_WAIT_SECONDS
from placement.cluster_snapshot import ClusterSnapshot
from placement.engine import Result, place
from placement.request import Request
from specs.ids import AgentId, GroupId
from specs.model.resources import Resources

MOST_NAMED = 3


def look_around(
    context: Context, requests: Sequence[Request], snapshot: ClusterSnapshot
) -> tuple[Result | None, dict[GroupId, str]]:
    """Places the requests as if every agent offered its estimated free resources. Returns the result if it holds for
    the offers at hand, else None; and the groups that wait for other offers, each with a sentence that says so."""
    groups = {request.group: request for request in requests if _may_wait(context, request)}
    believed = _believed(context, snapshot) if groups else {}
    if not believed:
        return None, {}
    result = place(list(groups.values()), _with(context, snapshot, believed), seed=context.state.next_serial)
    better: dict[GroupId, dict[AgentId, str]] = {}
    for placement in result.placements:
        id = placement.agent_id
        if id in believed and placement.slot not in groups[placement.group].pins:
            better.setdefault(placement.group, {})[id] = context.agents.present[id].hostname
    for group, agents in better.items():
        context.placing.offer_waits.wait(group, groups[group].slots, agents, context.now)
    is_whole = not better and len(groups) == len(requests)
    is_at_hand = all(placement.agent_id not in believed for placement in result.placements)
    return (result if is_whole and is_at_hand else None), {group: _cause(agents) for group, agents in better.items()}


def _cause(agents: Mapping[AgentId, str]) -> str:
    more = f" and {len(agents) - MOST_NAMED} more" if len(agents) > MOST_NAMED else ""
    named = ", ".join(sorted(agents.values())[:MOST_NAMED])
    return f"waits a moment for offers of {named}{more}, which suit it better than those at hand"


def _may_wait(context: Context, request: Request) -> bool:
    """Whether a request can wait for better offers: it has not waited, and Mesos can be asked in time."""
    if all(
        slot in request.pins or context.placing.offer_waits.has_waited(request.group, slot, context.now)
        for slot in request.slots
    ):
        return False
    in_time = (
        context.pool.may_revive_at(len(context.agents.present)) <= context.now + OFFER_WAIT_SECONDS - ANSWER_SECONDS
    )
    return in_time or context.placing.offer_waits.is_waiting(request.group)


def _believed(context: Context, snapshot: ClusterSnapshot) -> dict[AgentId, Resources]:
    """The estimated free resources of the agents without a held offer that would make one if Mesos were asked."""
    return {
        id: free
        for id, free in context.pool.believed.items()
        if id in context.agents.present
        and not context.pool.is_held(id)
        and id not in snapshot.unavailable
        and id not in context.placing.offer_waits.silent
    }


def _with(context: Context, snapshot: ClusterSnapshot, believed: Mapping[AgentId, Resources]) -> ClusterSnapshot:
    executors = context.state.executors
    present = snapshot.overhead.present.union(id for id in believed if executors.get(id))
    return replace(
        snapshot,
        free={**snapshot.free, **believed},
        overhead=replace(snapshot.overhead, present=present),
        estimated=frozenset(believed),
    )
