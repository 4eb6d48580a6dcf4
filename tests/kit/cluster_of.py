"""Small clusters, groups and rules for tests of placement: what matters is said, the rest is roomy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from placement.agent import Agent
from placement.cluster import Cluster
from placement.cluster_snapshot import ClusterSnapshot
from placement.engine import Result, place
from placement.occupancy import Occupancy
from placement.request import Overhead, Request
from specs.ids import AgentId, GroupId, VersionId, group_id, parse_group_id
from specs.model.constraints import Constraint, Counted, GroupByMode, Neighbour, Rules
from specs.model.operators import Operator
from specs.model.resources import PortRanges, Resources

ROOMY = Resources(cpus_milli=16_000, mem_mib=16_384, disk_mib=1_000, ports=PortRanges.of([(31000, 31999)]))
SMALL = Resources(cpus_milli=500, mem_mib=64)
NEW, OLD = VersionId("new"), VersionId("old")
WEB = group_id("shop", "web")


def agent(name: str, has: Resources | None = ROOMY, *, region: str = "", zone: str = "", **attributes: str) -> Agent:
    """An agent with so much in all and free, or with nothing told; its host is called as its id is."""
    return Agent(
        id=AgentId(name),
        hostname=name,
        region=region,
        zone=zone,
        attributes=tuple(sorted(attributes.items())),
        total=has,
        free=has,
    )


def racks(*names: str, each: int = 1, has: Resources = ROOMY) -> list[Agent]:
    """Agents a0, a1, ... of which so many stand in each rack, rack after rack; "" is none."""
    wanted = [name for name in names for _ in range(each)]
    return [agent(f"a{number}", has, **({"rack": name} if name else {})) for number, name in enumerate(wanted)]


def rule(
    field: str,
    operator: Operator,
    *values: str,
    mode: GroupByMode = GroupByMode.MINIMUM,
    counts: Counted = Counted.ALL,
) -> Constraint:
    """A constraint on a field."""
    return Constraint(field=field, operator=operator, values=values, mode=mode, counts=counts)


def combined(operator: Operator, *parts: Constraint) -> Constraint:
    """any, all or not."""
    return Constraint(operator=operator, parts=parts)


def group(text: str) -> GroupId:
    """The group of a text like `shop/web[dev]`."""
    found = parse_group_id(text)
    assert found is not None, f"wanted stack/service[labels], got {text}"
    return found


def request(
    slots: int | Iterable[int] = 1,
    *constraints: Constraint,
    of: GroupId = WEB,
    wants: Resources = SMALL,
    rules: Rules | None = None,
    instances: int | None = None,
    host_ports: tuple[int | None, ...] = (),
    pins: Mapping[int, str] | None = None,
    homes: Mapping[int, str] | None = None,
    penalties: Mapping[str, int] | None = None,
) -> Request:
    """Slots of a group; a number means so many from 0. `constraints` are added to the rules."""
    numbers = tuple(range(slots)) if isinstance(slots, int) else tuple(slots)
    rules = rules or Rules()
    return Request(
        group=of,
        version=NEW,
        slots=numbers,
        instances=len(numbers) if instances is None else instances,
        resources=wants,
        host_ports=host_ports,
        rules=replace(rules, constraints=(*rules.constraints, *constraints)),
        pins={slot: AgentId(name) for slot, name in (pins or {}).items()},
        homes={slot: AgentId(name) for slot, name in (homes or {}).items()},
        penalties={AgentId(name): points for name, points in (penalties or {}).items()},
    )


def snapshot(
    agents: Iterable[Agent],
    *,
    free: Mapping[str, Resources] | None = None,
    tasks: Mapping[GroupId, Mapping[str, int | Mapping[VersionId, int]]] | None = None,
    apart: Iterable[tuple[GroupId, Neighbour]] = (),
    overhead: Resources = Resources(),
    present: Iterable[str] = (),
    unavailable: Mapping[str, str] | None = None,
    region: str = "",
) -> ClusterSnapshot:
    """Agents of which each offers all that it has free, unless `free` says what is offered; tasks by group and agent,
    of the new version unless versions are named."""
    agents = list(agents)
    offered = free if free is not None else {agent.id: agent.free for agent in agents if agent.free is not None}
    counts = {
        group: {AgentId(name): {NEW: count} if isinstance(count, int) else count for name, count in by_agent.items()}
        for group, by_agent in (tasks or {}).items()
    }
    return ClusterSnapshot(
        cluster=Cluster(agents),
        free={AgentId(name): has for name, has in offered.items()},
        occupancy=Occupancy(counts=counts, apart=tuple(apart)),
        overhead=Overhead(resources=overhead, present=frozenset(AgentId(name) for name in present)),
        unavailable={AgentId(name): why for name, why in (unavailable or {}).items()},
        region=region,
    )


def where(result: Result, of: GroupId = WEB) -> list[str]:
    """The agents on which slots of a group were put, sorted; one name for each slot."""
    return sorted(placement.agent_id for placement in result.placements if placement.group == of)


def placed(wanted: Request, agents: Iterable[Agent], *, tasks: Mapping[str, int] | None = None) -> list[str]:
    """The agents of the slots of one request, among tasks of its own group."""
    return where(place([wanted], snapshot(agents, tasks={wanted.group: tasks or {}}), seed=1), wanted.group)


def sentence(wanted: Request, picture: ClusterSnapshot) -> str:
    """Why the next slot of a request has no place."""
    return place([wanted], picture, seed=1).refusals[wanted.group].sentence()
