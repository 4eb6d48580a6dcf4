"""Placing ahead: where the groups of a stack would go, without a scheduler and without an offer taken.

`framework plan` does it on what the scheduler sees, `framework simulate` on agents that may not even exist.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from placement.agent import Agent
from placement.cluster import Cluster
from placement.cluster_snapshot import ClusterSnapshot
from placement.engine import eligible, place
from placement.explain import explain
from placement.explanation import Cure
from placement.occupancy import Occupancy
from placement.refusals import Refusal
from placement.request import Overhead, Placement, Request
from specs.ids import AgentId, GroupId, VersionId, container_hash
from specs.model.canonical import version_of
from specs.model.constraints import Mode, Neighbour, Rules
from specs.model.operators import CountingKind
from specs.model.resources import Resources
from specs.model.stack import Group, Stack

MOST_EXPLAINED = 20
"""Limit on the groups whose cures are looked for; the others that did not fit get a sentence only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result for a group: of `wanted` slots `kept` stay where they are, `placements` are where others would go,
    and `refused` says why the rest would not; `cures` what would change that."""

    group: GroupId
    wanted: int
    kept: int = 0
    placements: tuple[Placement, ...] = ()
    refused: Refusal | None = None
    cures: tuple[Cure, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The outcome of each request, by group, and the snapshot in which all placements have been made."""

    outcomes: tuple[Outcome, ...]
    snapshot: ClusterSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """The tasks of a group by the values of `fields`, outer to inner: (values, tasks) of each domain in which
    the group could run. `skew` is the most by which two domains of one outer domain differ."""

    fields: tuple[str, ...]
    counts: tuple[tuple[tuple[str, ...], int], ...]
    skew: int


def snapshot_of_agents(
    agents: Iterable[Agent],
    *,
    executor: Resources,
    region: str = "",
    occupancy: Occupancy | None = None,
    present: frozenset[AgentId] = frozenset(),
    unavailable: Mapping[AgentId, str] | None = None,
) -> ClusterSnapshot:
    """The snapshot in which agents give what they have free, or, where that is not known, all they have."""
    cluster = Cluster(agents)
    amounts = ((agent.id, agent.total if agent.free is None else agent.free) for agent in cluster.agents)
    return ClusterSnapshot(
        cluster=cluster,
        free={id: free for id, free in amounts if free is not None},
        occupancy=occupancy or Occupancy(),
        overhead=Overhead(resources=executor, present=present),
        unavailable=unavailable or {},
        region=region,
    )


def request_of(group: Group, slots: Sequence[int] = (), *, instances: int | None = None) -> Request:
    """A request for slots of a group that will have `instances` in all, by default as many as its spec says."""
    return Request(
        group=group.id,
        version=container_hash(version_of(group)),
        slots=tuple(slots),
        instances=group.instances if instances is None else instances,
        resources=group.resources,
        host_ports=tuple(port.host_port for port in group.container.ports),
        rules=group.rules,
    )


def missing(group: Group, snapshot: ClusterSnapshot, kept: Mapping[int, AgentId | None]) -> Request:
    """The request of a group that has a task, or needs none, in the slots `kept`: the lowest free slots. A global
    one wants a slot on each agent on which it can run and has none; where it can run on no agent and has no task, one
    slot that will find none."""
    if group.mode is not Mode.GLOBAL:
        slots = _free_slots(kept, group.instances - len(kept))
        return request_of(group, slots, instances=len(kept) + len(slots))
    having = frozenset(kept.values())
    agents = [agent for agent in eligible(request_of(group), snapshot) if agent not in having]
    if not agents and not kept:
        # One slot that finds no agent, so that it is said why.
        return request_of(group, (0,), instances=1)
    slots = _free_slots(kept, len(agents))
    request = request_of(group, slots, instances=len(kept) + len(slots))
    return replace(request, pins=dict(zip(slots, agents, strict=True)))


def settle(requests: Sequence[Request], snapshot: ClusterSnapshot, *, seed: int = 0) -> Settled:
    """Places the requests, again as long as that lets more of them fit: what is to be near another comes after it."""
    placed: dict[GroupId, list[Placement]] = {request.group: [] for request in requests}
    refused: dict[GroupId, Refusal] = {}
    rest = [request for request in requests if request.slots]
    for _round in range(len(requests) + 1):
        result = place(rest, snapshot, seed=seed)
        for placement in result.placements:
            placed[placement.group].append(placement)
        snapshot = with_placements(snapshot, rest, result.placements)
        refused = dict(result.refusals)
        if not result.placements:
            break
        rest = [replace(one, slots=refused[one.group].slots) for one in rest if one.group in refused]
    unplaced = [request for request in rest if request.group in refused]
    explained = {request.group: explain(request, snapshot, seed=seed) for request in unplaced[:MOST_EXPLAINED]}
    outcomes = []
    for request in requests:
        told = explained.get(request.group)
        outcomes.append(
            Outcome(
                group=request.group,
                wanted=request.instances,
                kept=request.instances - len(request.slots),
                placements=tuple(sorted(placed[request.group], key=lambda placement: placement.slot)),
                refused=refused.get(request.group),
                cures=told.cures if told else (),
            )
        )
    return Settled(outcomes=tuple(outcomes), snapshot=snapshot)


def simulate(
    stack: Stack, snapshot: ClusterSnapshot, *, kept: Mapping[GroupId, Mapping[int, AgentId | None]] | None = None
) -> tuple[tuple[Request, ...], Settled]:
    """Places a whole stack, but for the slots that are kept."""
    there = kept or {}
    apart = (*snapshot.occupancy.apart, *hard_apart((group.id, group.rules) for group in stack.groups))
    snapshot = replace(snapshot, occupancy=replace(snapshot.occupancy, apart=apart))
    requests = tuple(missing(group, snapshot, there.get(group.id, {})) for group in stack.groups)
    return requests, settle(requests, snapshot)


def hard_apart(groups: Iterable[tuple[GroupId, Rules]]) -> tuple[tuple[GroupId, Neighbour], ...]:
    """The rules by which groups keep others away from themselves."""
    return tuple((id, rule) for id, rules in groups for rule in rules.apart if not rule.weight)


def with_placements(
    snapshot: ClusterSnapshot, requests: Iterable[Request], placements: Iterable[Placement]
) -> ClusterSnapshot:
    """The snapshot in which these placements of the requests have been made."""
    versions = {request.group: request.version for request in requests}
    free, present = dict(snapshot.free), set(snapshot.overhead.present)
    counts: dict[GroupId, dict[AgentId, dict[VersionId, int]]] = {}
    for placement in placements:
        taken = placement.resources
        if placement.agent_id not in present:
            taken += snapshot.overhead.resources
            present.add(placement.agent_id)
        free[placement.agent_id] -= taken
        agents = counts.setdefault(
            placement.group,
            {agent: dict(tasks) for agent, tasks in snapshot.occupancy.counts.get(placement.group, {}).items()},
        )
        tasks = agents.setdefault(placement.agent_id, {})
        tasks[versions[placement.group]] = tasks.get(versions[placement.group], 0) + 1
    return replace(
        snapshot,
        free=free,
        occupancy=replace(snapshot.occupancy, counts={**snapshot.occupancy.counts, **counts}),
        overhead=replace(snapshot.overhead, present=frozenset(present)),
    )


def balances(request: Request, snapshot: ClusterSnapshot) -> tuple[Balance, ...]:
    """The balance of the group over each field of its SPREAD and GROUP_BY rules."""
    fields = [(*spread.within, spread.over) for spread in request.rules.spread]
    fields += [(rule.field,) for rule in request.rules.constraints if rule.counting is CountingKind.EVENLY]
    can = frozenset(eligible(request, snapshot))
    tasks = {agent: sum(by.values()) for agent, by in snapshot.occupancy.counts.get(request.group, {}).items()}
    return tuple(_balance(names, snapshot.cluster, can, tasks) for names in dict.fromkeys(fields))


def _balance(
    fields: tuple[str, ...], cluster: Cluster, can: frozenset[AgentId], tasks: Mapping[AgentId, int]
) -> Balance:
    domains = cluster.domains(fields)
    counts: dict[int, int] = {}
    for number, agent in enumerate(cluster.agents):
        domain = domains.of[number]
        if domain >= 0 and (agent.id in can or agent.id in tasks):
            counts[domain] = counts.get(domain, 0) + tasks.get(agent.id, 0)
    by_parent: dict[int, list[int]] = {}
    for domain in sorted(counts):
        by_parent.setdefault(domains.parents[domain], []).append(counts[domain])
    return Balance(
        fields=fields,
        counts=tuple((domains.keys[domain], counts[domain]) for domain in sorted(counts)),
        skew=max((max(inner) - min(inner) for inner in by_parent.values()), default=0),
    )


def _free_slots(taken: Mapping[int, AgentId | None], count: int) -> tuple[int, ...]:
    free: list[int] = []
    slot = 0
    while len(free) < count:
        if slot not in taken:
            free.append(slot)
        slot += 1
    return tuple(free)
