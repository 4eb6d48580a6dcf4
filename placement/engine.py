"""place(): requests and a snapshot in, placements and named refusals out.

Sets of agents are bits of an int, so that a rule is one operation for all agents at once, and a placement changes what
it touches: its agent's room, its domains' counts. A slot therefore costs a few operations on such sets, whatever the
number of groups and of slots before it; with the number of agents only the length of the sets grows.

For each slot the agents that break no hard rule are narrowed down: to the domains with the fewest tasks of the group,
where it is to be spread; to those worth the most points; to those with the fewest tasks of the group; to those with
the most room, or the least where tasks are to be packed; and of equals one is picked by the group's name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from placement.cluster import Cluster
from placement.cluster_snapshot import ClusterSnapshot
from placement.evaluation import Evaluation, suitable
from placement.free_resources import FreeResources
from placement.neighbours import RunningTasks
from placement.order import depths
from placement.refusals import Refusal
from placement.request import Placement, Request
from specs.ids import AgentId, GroupId


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """`refusals` has an entry for each group of which a slot found no place."""

    placements: tuple[Placement, ...]
    refusals: Mapping[GroupId, Refusal]


def place(requests: Sequence[Request], snapshot: ClusterSnapshot, *, seed: int) -> Result:
    """Puts each slot on an agent, or says why not. The order of requests and agents does not matter: groups that want
    to be near others come after these, large ones before small ones. `seed` picks among free ports."""
    free = FreeResources(snapshot)
    free.open(requests)
    running = RunningTasks(snapshot.cluster, snapshot.occupancy)
    placements: list[Placement] = []
    refusals: dict[GroupId, Refusal] = {}
    for request in _in_order(requests, snapshot.cluster):
        evaluation = Evaluation(request, snapshot, free, running)
        placed, left = fill(evaluation, seed + len(placements))
        placements += placed
        if left:
            refusals[request.group] = evaluation.refused(left)
    return Result(placements=tuple(placements), refusals=refusals)


def fill(evaluation: Evaluation, seed: int) -> tuple[list[Placement], tuple[int, ...]]:
    """Places the slots of one request; returns what was placed, and the slots that were left."""
    request, agents = evaluation.request, evaluation.cluster.agents
    placed: list[Placement] = []
    left = _slots(request)
    has_more = True
    while left and has_more:
        has_more = False
        slots, left = left, []
        is_full = False
        for slot in slots:
            is_pinned = slot in request.pins
            number = None if is_full and not is_pinned else evaluation.choose(slot)
            if number is None:
                is_full = is_full or not is_pinned
                left.append(slot)
                continue
            ports, taken = evaluation.take(number, seed + len(placed))
            agent = agents[number].id
            placed.append(Placement(group=request.group, slot=slot, agent_id=agent, host_ports=ports, resources=taken))
            # Slots without a pin have failed for good; one with a pin may be allowed once others are placed.
            has_more = bool(request.pins)
    return placed, tuple(left)


def eligible(request: Request, snapshot: ClusterSnapshot) -> tuple[AgentId, ...]:
    """The agents on which the group could run by its rules, by their availability and size, whatever runs there now;
    in the order of their ids. Rules that count tasks are asked only for their field."""
    cluster, found = snapshot.cluster, suitable(request, snapshot)
    return tuple(agent.id for number, agent in enumerate(cluster.agents) if found >> number & 1)


def _slots(request: Request) -> list[int]:
    """Pinned slots first, then slots with a home: they get their agent before others take it."""
    return sorted(request.slots, key=lambda slot: (slot not in request.pins, slot not in request.homes, slot))


def _in_order(requests: Sequence[Request], cluster: Cluster) -> list[Request]:
    waits = depths(requests)

    def place_of(request: Request) -> tuple[int, float, GroupId]:
        want = request.resources
        size = max(want.cpus_milli / cluster.all_of[0], want.mem_mib / cluster.all_of[1])
        return waits[request.group], -size, request.group

    return sorted(requests, key=place_of)
