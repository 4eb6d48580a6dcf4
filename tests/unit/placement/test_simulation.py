"""Placing ahead: outcomes, what stays, what comes after another, and how evenly a group lies."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from placement.agent import Agent
from placement.cluster_snapshot import ClusterSnapshot
from placement.occupancy import Occupancy
from placement.simulation import (
    MOST_EXPLAINED,
    Outcome,
    Settled,
    balances,
    hard_apart,
    missing,
    simulate,
    snapshot_of_agents,
)
from specs.ids import AgentId, GroupId, VersionId, group_id
from specs.model.constraints import Constraint, Mode, Neighbour, Rules, Selector, Spread
from specs.model.operators import Operator
from specs.model.resources import PortRanges, Resources
from specs.model.stack import Container, Group, Port, Stack

WEB, AUTH, REDIS = group_id("shop", "web"), group_id("shop", "auth"), group_id("shop", "redis")
SMALL = Resources(cpus_milli=500, mem_mib=64)
EXECUTOR = Resources(cpus_milli=100, mem_mib=32)
PORTS = PortRanges.of([(31000, 31009)])


def _agents(count: int, cpus_milli: int = 2000) -> tuple[Agent, ...]:
    """Agents of two racks in turn."""
    has = Resources(cpus_milli=cpus_milli, mem_mib=1024, ports=PORTS)
    return tuple(
        Agent(
            id=AgentId(f"a{number}"),
            hostname=f"host{number}",
            attributes=(("rack", f"r{number % 2}"),),
            total=has,
            free=has,
        )
        for number in range(count)
    )


def _group(id: GroupId = WEB, instances: int = 1, want: Resources = SMALL, **more: object) -> Group:
    return Group(id=id, instances=instances, container=Container(image="x"), resources=want, **more)  # type: ignore[arg-type]


def _snapshot(*agents: Agent, **more: object) -> ClusterSnapshot:
    return snapshot_of_agents(agents, executor=EXECUTOR, **more)  # type: ignore[arg-type]


def _simulate(
    groups: list[Group], snapshot: ClusterSnapshot, kept: Mapping[GroupId, Mapping[int, AgentId | None]] | None = None
) -> tuple[dict[GroupId, Outcome], Settled]:
    _, settled = simulate(Stack(name="shop", groups=tuple(groups)), snapshot, kept=kept)
    return {outcome.group: outcome for outcome in settled.outcomes}, settled


def test_what_fits_is_placed_and_what_it_takes_is_gone() -> None:
    outcomes, settled = _simulate([_group(instances=4)], _snapshot(*_agents(2)))
    assert (outcomes[WEB].wanted, outcomes[WEB].kept, outcomes[WEB].refused) == (4, 0, None)
    assert [placement.slot for placement in outcomes[WEB].placements] == [0, 1, 2, 3]
    # The executor is paid once on each agent.
    assert [free.cpus_milli for free in settled.snapshot.free.values()] == [900, 900]
    assert {agent: sum(tasks.values()) for agent, tasks in settled.snapshot.occupancy.counts[WEB].items()} == {
        "a0": 2,
        "a1": 2,
    }


def test_what_does_not_fit_is_told_with_what_would_help() -> None:
    outcomes, _ = _simulate([_group(instances=3, want=Resources(cpus_milli=1500, mem_mib=64))], _snapshot(*_agents(2)))
    refused = outcomes[WEB].refused
    assert refused is not None
    assert (refused.slots, len(outcomes[WEB].placements)) == ((2,), 2)
    assert refused.sentence().startswith("0/2 agents fit: 2 cpus (wanted 1.5")
    assert any("cpus" in cure.text and cure.slots == 1 for cure in outcomes[WEB].cures)


def test_cures_are_looked_for_of_some_groups_only() -> None:
    large = Resources(cpus_milli=8000, mem_mib=64)
    groups = [_group(group_id("shop", f"g{n:02d}"), want=large) for n in range(MOST_EXPLAINED + 2)]
    outcomes, _ = _simulate(groups, _snapshot(*_agents(1)))
    assert sum(outcome.refused is not None for outcome in outcomes.values()) == len(groups)
    assert sum(bool(outcome.cures) for outcome in outcomes.values()) == MOST_EXPLAINED


def test_slots_that_are_kept_are_not_placed_and_the_lowest_free_ones_are() -> None:
    outcomes, _ = _simulate([_group(instances=4)], _snapshot(*_agents(2)), {WEB: {0: AgentId("a0"), 2: AgentId("a1")}})
    assert (outcomes[WEB].wanted, outcomes[WEB].kept) == (4, 2)
    assert [placement.slot for placement in outcomes[WEB].placements] == [1, 3]


def test_what_wants_to_be_near_another_is_placed_after_it() -> None:
    near = Rules(near=(Neighbour(to=Selector(service="redis")),))
    outcomes, _ = _simulate([_group(AUTH, 2, rules=near), _group(REDIS)], _snapshot(*_agents(4)))
    assert outcomes[AUTH].refused is None
    assert {one.agent_id for one in outcomes[AUTH].placements} == {outcomes[REDIS].placements[0].agent_id}


def test_what_keeps_others_away_keeps_away_those_of_the_same_stack_too() -> None:
    alone = Rules(apart=(Neighbour(to=Selector(service="web")),))
    outcomes, _ = _simulate([_group(AUTH, rules=alone), _group(WEB, 2)], _snapshot(*_agents(2)))
    (auth,) = outcomes[AUTH].placements
    assert {one.agent_id for one in outcomes[WEB].placements} == {"a0", "a1"} - {auth.agent_id}
    assert hard_apart([(AUTH, alone), (WEB, Rules(apart=(Neighbour(to=Selector(), weight=5),)))]) == (
        (AUTH, alone.apart[0]),
    )


def test_a_global_group_has_one_on_every_agent_that_fits() -> None:
    snapshot = _snapshot(*_agents(4), unavailable={AgentId("a3"): "is draining"})
    rules = Rules(constraints=(Constraint(operator=Operator.IS, field="rack", values=("r1",)),))
    everywhere = _group(AUTH, mode=Mode.GLOBAL)
    outcomes, _ = _simulate([everywhere, _group(WEB, mode=Mode.GLOBAL, rules=rules)], snapshot)
    assert sorted(one.agent_id for one in outcomes[AUTH].placements) == ["a0", "a1", "a2"]
    assert [one.agent_id for one in outcomes[WEB].placements] == ["a1"]
    request = missing(everywhere, snapshot, {1: AgentId("a1")})
    assert (request.slots, request.instances, dict(request.pins)) == ((0, 2), 3, {0: "a0", 2: "a2"})


def test_a_global_group_that_is_crowded_out_of_an_agent() -> None:
    full = _agents(2)
    snapshot = _snapshot(full[0], Agent(id=AgentId("a1"), hostname="host1", total=full[1].total, free=Resources()))
    outcomes, _ = _simulate([_group(mode=Mode.GLOBAL)], snapshot)
    assert (outcomes[WEB].wanted, len(outcomes[WEB].placements)) == (2, 1)
    assert outcomes[WEB].refused is not None


def test_ports_are_never_given_twice() -> None:
    container = Container(
        image="x", ports=(Port(name="http", container_port=80), Port(name="admin", container_port=81))
    )
    group = Group(id=WEB, instances=5, container=container, resources=Resources(cpus_milli=10, mem_mib=8))
    outcomes, _ = _simulate([group], _snapshot(*_agents(1)))
    ports = [port for one in outcomes[WEB].placements for port in one.host_ports]
    assert (len(ports), len(set(ports))) == (10, 10)


def test_an_agent_gives_what_it_has_free_or_else_all_and_nothing_where_neither_is_known() -> None:
    one, two = _agents(2)
    free = Agent(id=AgentId("a3"), hostname="host3", total=one.total, free=SMALL)
    unfree = Agent(id=AgentId("a4"), hostname="host4", total=two.total)
    unknown = Agent(id=AgentId("a5"), hostname="host5")
    assert _snapshot(free, unfree, unknown).free == {"a3": SMALL, "a4": two.total}


def test_balance_counts_the_domains_in_which_the_group_could_run() -> None:
    rules = Rules(spread=(Spread(over="rack"),))
    group = _group(instances=3, rules=rules)
    requests, settled = simulate(Stack(name="shop", groups=(group,)), _snapshot(*_agents(4)))
    (balance,) = balances(requests[0], settled.snapshot)
    assert (balance.fields, balance.skew) == (("rack",), 1)
    assert sorted(count for _, count in balance.counts) == [1, 2]
    drained = _snapshot(*_agents(4), unavailable={AgentId("a1"): "x", AgentId("a3"): "x"})
    requests, settled = simulate(Stack(name="shop", groups=(group,)), drained)
    assert [(b.counts, b.skew) for b in balances(requests[0], settled.snapshot)] == [(((("r0",), 3),), 0)]


def test_balance_of_nested_levels_is_that_within_each_outer_one() -> None:
    rules = Rules(
        spread=(Spread(over="rack"), Spread(over="hostname", within=("rack",))),
        constraints=(Constraint(operator=Operator.GROUP_BY, field="rack"),),
    )
    occupancy = Occupancy(counts={WEB: {AgentId("a0"): {VersionId("v"): 3}, AgentId("a1"): {VersionId("v"): 1}}})
    group = _group(instances=4, rules=rules)
    snapshot = _snapshot(*_agents(4), occupancy=occupancy)
    rack, host = balances(missing(group, snapshot, {}), snapshot)
    assert (rack.counts, rack.skew) == (((("r0",), 3), (("r1",), 1)), 2)
    assert (host.fields, host.skew) == (("rack", "hostname"), 3)


@pytest.mark.parametrize("agents", [(), _agents(1)])
def test_nothing_wanted_and_nobody_there(agents: tuple[Agent, ...]) -> None:
    outcomes, _ = _simulate([_group(instances=0)], _snapshot(*agents))
    assert outcomes[WEB] == Outcome(group=WEB, wanted=0)
    outcomes, _ = _simulate([_group()], _snapshot())
    refused = outcomes[WEB].refused
    assert refused is not None
    assert refused.sentence() == "0/0 agents fit: no agent is known"
