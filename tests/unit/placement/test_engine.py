"""place(): what an agent must have, who is not asked at all, and what is said of what was left."""

from __future__ import annotations

from dataclasses import replace

import pytest

from placement.agent import Agent
from placement.engine import eligible, place
from placement.refusals import Reason, Refusal
from specs.model.constraints import Neighbour, Rules, Selector, Spread
from specs.model.operators import Operator
from specs.model.resources import PortRanges, Resources
from tests.kit.cluster_of import (
    ROOMY,
    SMALL,
    WEB,
    agent,
    group,
    placed,
    racks,
    request,
    rule,
    sentence,
    snapshot,
    where,
)

EXECUTOR = Resources(cpus_milli=100, mem_mib=32)


def small(name: str = "a0", *, cpus: int = 1000, mem: int = 1000, **more: object) -> Agent:
    return agent(name, replace(Resources(cpus_milli=cpus, mem_mib=mem), **more))  # type: ignore[arg-type]


# ---- amounts ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wants", "count"),
    [
        (Resources(cpus_milli=300, mem_mib=1), 3),
        (Resources(cpus_milli=1000, mem_mib=1), 1),
        (Resources(cpus_milli=1001, mem_mib=1), 0),
        (Resources(cpus_milli=1, mem_mib=300), 3),
        (Resources(cpus_milli=1, mem_mib=1, disk_mib=50), 2),
        (Resources(cpus_milli=1, mem_mib=1, gpus=1), 2),
        (Resources(), 9),
    ],
    ids=str,
)
def test_an_agent_takes_as_many_as_fit(wants: Resources, count: int) -> None:
    agents = [small(disk_mib=100, gpus=2)]
    rules = Rules(constraints=(rule("@gpus", Operator.AT_LEAST, "0"),))
    assert placed(request(9, wants=wants, rules=rules), agents) == ["a0"] * count


def test_what_one_group_takes_is_gone_for_the_next() -> None:
    first = request(1, of=group("shop/a"), wants=Resources(cpus_milli=700, mem_mib=1))
    other = request(1, of=group("shop/b"), wants=Resources(cpus_milli=400, mem_mib=1))
    result = place([other, first], snapshot([small()]), seed=1)
    assert where(result, first.group) == ["a0"], "the larger comes first"
    assert list(result.refusals) == [other.group]


def test_what_is_offered_counts_and_not_what_an_agent_has_in_all() -> None:
    picture = snapshot([small("a0"), small("a1")], free={"a1": Resources(cpus_milli=500, mem_mib=64)})
    assert where(place([request(3)], picture, seed=1)) == ["a1"]


def test_a_placement_says_all_that_it_takes() -> None:
    has = Resources(cpus_milli=1000, mem_mib=100, scalars=(("tokens", 3000),), sets=(("fpga", ("f1", "f2")),))
    wants = Resources(cpus_milli=500, mem_mib=10, scalars=(("fpga", 1000), ("tokens", 1500)))
    (placement,) = place([request(1, wants=wants)], snapshot([agent("a0", has)]), seed=1).placements
    assert (placement.group, placement.slot, placement.agent_id) == (WEB, 0, "a0")
    assert placement.resources == Resources(
        cpus_milli=500, mem_mib=10, scalars=(("tokens", 1500),), sets=(("fpga", ("f1",)),)
    )


def test_custom_scalars_and_items_of_sets_are_used_up() -> None:
    has = replace(ROOMY, scalars=(("tokens", 2500),), sets=(("fpga", ("f1", "f2", "f3")),))
    tokens = replace(SMALL, scalars=(("tokens", 1000),))
    fpga = replace(SMALL, scalars=(("fpga", 1000),))
    assert len(placed(request(9, wants=tokens), [agent("a0", has), agent("a1")])) == 2
    result = place([request(9, wants=fpga)], snapshot([agent("a0", has), agent("a1")]), seed=1)
    items = [placement.resources.sets for placement in result.placements]
    assert sorted(items) == [(("fpga", (name,)),) for name in ("f1", "f2", "f3")]


def test_one_item_of_a_set_is_had_by_one_task_on_each_agent() -> None:
    has = replace(ROOMY, sets=(("fpga", ("f1", "f2")),))
    wants = replace(SMALL, sets=(("fpga", ("f2",)),))
    assert placed(request(5, wants=wants), [agent("a0", has), agent("a1", has), agent("a2")]) == ["a0", "a1"]


# ---- the executor -------------------------------------------------------------------


def test_the_executor_is_paid_once_unless_it_runs_there() -> None:
    agents = [small(cpus=1000)]
    wanted = request(8, wants=Resources(cpus_milli=300, mem_mib=1))
    # 100 + 3 x 300: paid for each task, only two would fit.
    assert len(place([wanted], snapshot(agents, overhead=EXECUTOR), seed=1).placements) == 3
    whole = request(8, wants=Resources(cpus_milli=500, mem_mib=1))
    assert len(place([whole], snapshot(agents, overhead=EXECUTOR), seed=1).placements) == 1
    assert len(place([whole], snapshot(agents, overhead=EXECUTOR, present=["a0"]), seed=1).placements) == 2


def test_the_executor_is_paid_once_by_all_groups_together() -> None:
    wants = Resources(cpus_milli=300, mem_mib=1)
    several = [request(1, of=group(f"shop/s{number}"), wants=wants) for number in range(4)]
    assert len(place(several, snapshot([small()], overhead=EXECUTOR), seed=1).placements) == 3


def test_an_agent_that_is_too_small_for_the_executor_alone_is_named() -> None:
    picture = snapshot(
        [small(mem=10), small("a1")], free={"a0": Resources(cpus_milli=1000, mem_mib=10)}, overhead=EXECUTOR
    )
    assert sentence(request(1, wants=Resources(cpus_milli=100)), picture) == (
        "0/2 agents fit: 1 mem (wanted 32 MiB for the executor), 1 offer (not offered now)"
    )


# ---- ports --------------------------------------------------------------------------


def with_ports(name: str = "a0", first: int = 31000, last: int = 31009) -> Agent:
    return agent(name, replace(ROOMY, ports=PortRanges.of([(first, last)])))


def test_ports_are_those_of_the_offer_and_never_given_twice() -> None:
    one, other = (request(3, of=group(f"shop/{name}"), host_ports=(None, None)) for name in "ab")
    result = place([one, other], snapshot([with_ports()]), seed=1)
    ports = [port for placement in result.placements for port in placement.host_ports]
    assert sorted(ports) == list(range(31000, 31010))
    assert len(result.placements) == 5
    for placement in result.placements:
        assert placement.resources.ports == PortRanges.single(placement.host_ports)


def test_a_fixed_port_is_kept_from_the_others_of_the_same_task() -> None:
    for seed in range(20):
        wanted = request(1, host_ports=(None, 31001, None))
        (placement,) = place([wanted], snapshot([with_ports(last=31002)]), seed=seed).placements
        assert placement.host_ports[1] == 31001
        assert sorted(placement.host_ports) == [31000, 31001, 31002]


def test_a_fixed_port_is_had_once_on_each_agent() -> None:
    agents = [with_ports("a0"), with_ports("a1")]
    picture = snapshot(agents)
    assert where(place([request(3, host_ports=(31004,))], picture, seed=1)) == ["a0", "a1"]
    assert (
        sentence(request(3, host_ports=(31004,)), picture) == "0/2 agents fit: 2 host port 31004 (taken or not offered)"
    )


def test_too_few_ports_are_told_with_the_most_there_are() -> None:
    agents = [with_ports("a0", last=31000), with_ports("a1", last=31001)]
    assert sentence(request(1, host_ports=(None, None, None)), snapshot(agents)) == (
        "0/2 agents fit: 2 ports (wanted 3, best 2)"
    )


def test_the_seed_moves_the_choice_of_ports() -> None:
    picture = snapshot([with_ports()])
    chosen = {place([request(1, host_ports=(None,))], picture, seed=seed).placements[0].host_ports for seed in range(9)}
    assert len(chosen) == 9


# ---- agents that are not asked ------------------------------------------------------


def test_agents_of_other_regions_are_for_those_that_speak_of_regions() -> None:
    agents = [agent("a0", region="far"), agent("a1", region="home"), agent("a2")]
    picture = snapshot(agents, region="home")
    assert set(where(place([request(9)], picture, seed=1))) == {"a1", "a2"}
    assert set(where(place([request(9, rule("@region", Operator.IS_SET))], picture, seed=1))) == {"a0", "a1"}
    assert set(where(place([request(9, rule("@region", Operator.IS, "far"))], picture, seed=1))) == {"a0"}
    assert set(where(place([request(9)], snapshot(agents), seed=1))) == {"a0", "a1", "a2"}
    only = snapshot(agents[:1], region="home")
    assert sentence(request(1), only) == "0/1 agents fit: 1 @region (wanted home, the master's)"


def test_dedicated_agents_are_for_those_that_speak_of_them() -> None:
    agents = [agent("a0", dedicated="db"), agent("a1")]
    assert set(placed(request(3), agents)) == {"a1"}
    assert set(placed(request(3, rule("dedicated", Operator.IS, "db")), agents)) == {"a0"}
    assert set(placed(request(3, rule("dedicated", Operator.NOT_EQUAL, "x")), agents)) == {"a0", "a1"}
    assert sentence(request(1), snapshot(agents[:1])) == "0/1 agents fit: 1 dedicated (wanted not dedicated)"


def test_agents_with_gpus_are_for_those_that_want_gpus() -> None:
    agents = [agent("a0", replace(ROOMY, gpus=2)), agent("a1")]
    assert set(placed(request(3), agents)) == {"a1"}
    assert placed(request(3, wants=replace(SMALL, gpus=1)), agents) == ["a0", "a0"]
    assert set(placed(request(3, rule("@gpus", Operator.AT_LEAST, "0")), agents)) == {"a0", "a1"}
    assert (
        sentence(request(1), snapshot(agents[:1])) == "0/1 agents fit: 1 @gpus (wanted none, as no gpus are asked for)"
    )


def test_unavailable_agents_are_avoided_and_the_reasons_told() -> None:
    agents = racks("r1", "r1", "r1")
    reasons = {"a0": "is draining", "a1": "is in maintenance"}
    assert set(where(place([request(4)], snapshot(agents, unavailable=reasons), seed=1))) == {"a2"}
    assert sentence(request(1), snapshot(agents[:2], unavailable=reasons)) == (
        "0/2 agents fit: 2 unavailable (is draining, is in maintenance)"
    )


def test_what_is_known_of_agents_that_are_not_offered_is_told() -> None:
    agents = [small("a0", cpus=100), agent("a1"), replace(agent("a2"), free=None), small("a3", cpus=200)]
    picture = snapshot(agents, free={"a3": Resources(cpus_milli=200, mem_mib=1000)})
    assert sentence(request(1), picture) == ("0/4 agents fit: 2 cpus (wanted 0.5, best 0.2), 2 offer (not offered now)")


def test_ports_and_custom_resources_of_agents_of_which_nothing_is_known_are_no_reason() -> None:
    picture = snapshot([agent("a0", None)], free={})
    wants = replace(SMALL, scalars=(("tokens", 1000),))
    assert (
        sentence(request(1, wants=wants, host_ports=(80, None)), picture) == "0/1 agents fit: 1 offer (not offered now)"
    )


# ---- pins and slots -----------------------------------------------------------------


def test_a_slot_with_a_pin_goes_there_or_nowhere() -> None:
    agents = [agent("a0"), agent("a1", SMALL)]
    assert placed(request(1, pins={0: "a1"}), agents) == ["a1"]
    picture = snapshot(agents)
    result = place([request(3, pins={0: "a1", 1: "a1"})], picture, seed=1)
    assert {placement.slot: placement.agent_id for placement in result.placements} == {0: "a1", 2: "a0"}
    assert result.refusals[WEB].slots == (1,)
    assert result.refusals[WEB].sentence() == "0/2 agents fit: 1 cpus (wanted 0.5, best 0), 1 home (wanted a1)"


def test_a_pin_to_an_agent_that_is_gone_is_told() -> None:
    assert sentence(request(1, pins={0: "gone"}), snapshot(racks("r1", "r1"))) == (
        "0/2 agents fit: 2 home (wanted gone, which is gone)"
    )


def test_slots_are_placed_from_the_lowest_and_those_that_are_left_are_named() -> None:
    result = place([request([7, 3, 5])], snapshot([small()]), seed=1)
    assert [placement.slot for placement in result.placements] == [3, 5]
    assert result.refusals[WEB].slots == (7,)


def test_nothing_is_wanted_and_nothing_is_there() -> None:
    assert place([], snapshot(racks("r1")), seed=1).placements == ()
    result = place([request(2)], snapshot([]), seed=1)
    assert result.refusals[WEB].sentence() == "0/0 agents fit: no agent is known"
    assert result.refusals[WEB].slots == (0, 1)


# ---- what is said -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wants", "expected"),
    [
        (Resources(cpus_milli=2000), "2 cpus (wanted 2, best 1.5)"),
        (Resources(mem_mib=2000), "2 mem (wanted 2000 MiB, best 1000 MiB)"),
        (Resources(disk_mib=7), "2 disk (wanted 7 MiB, best 0 MiB)"),
        (Resources(gpus=1), "2 gpus (wanted 1, best 0)"),
        (Resources(scalars=(("tokens", 2000),)), "2 tokens (wanted 2, there is 1, none)"),
        (Resources(sets=(("keys", ("b",)),)), "2 keys (wanted {b}, there is none, {a})"),
        (Resources(scalars=(("keys", 2000),)), "2 keys (wanted 2, there is none, {a})"),
    ],
    ids=str,
)
def test_what_was_wanted_and_the_best_there_was(wants: Resources, expected: str) -> None:
    agents = [small(scalars=(("tokens", 1000),)), small("a1", cpus=1500, sets=(("keys", ("a",)),))]
    assert sentence(request(1, wants=wants), snapshot(agents)) == f"0/2 agents fit: {expected}"


def test_each_agent_is_counted_at_the_first_rule_that_it_breaks() -> None:
    agents = [
        agent("a0", rack="r2", dedicated="db"),
        agent("a1", rack="r2"),
        small("a2", cpus=10),
        replace(small("a3", cpus=20), attributes=(("rack", "r1"),)),
        agent("a4", rack="r1"),
        agent("a5", rack="r1"),
    ]
    free = {str(each.id): each.free for each in agents if each.free and each.id != "a4"}
    picture = snapshot(agents, unavailable={"a5": "is draining"}, free=free)
    refused = place([request(1, rule("rack", Operator.IS, "r1"))], picture, seed=1).refusals[WEB]
    assert refused == Refusal(
        slots=(0,),
        agents=6,
        reasons=(
            Reason(rule="unavailable", count=1, detail="is draining"),
            Reason(rule="dedicated", count=1, detail="wanted not dedicated"),
            Reason(rule="rack", count=2, detail="wanted r1"),
            Reason(rule="cpus", count=1, detail="wanted 0.5, best 0.02"),
            Reason(rule="offer", count=1, detail="not offered now"),
        ),
    )
    assert refused.sentence() == (
        "0/6 agents fit: 2 rack (wanted r1), 1 cpus (wanted 0.5, best 0.02), 1 dedicated (wanted not dedicated),"
        " 1 offer (not offered now), 1 unavailable (is draining)"
    )


def test_many_values_are_told_as_the_first_few() -> None:
    agents = [agent(f"a{number}", replace(ROOMY, scalars=(("tokens", 100 * number),))) for number in range(1, 6)]
    assert sentence(request(1, wants=replace(SMALL, scalars=(("tokens", 9000),))), snapshot(agents)) == (
        "0/5 agents fit: 5 tokens (wanted 9, there is 0.1, 0.2, 0.3 and 2 more)"
    )


# ---- who could ----------------------------------------------------------------------


def test_eligible_agents_are_those_that_could_run_it_whatever_runs_there() -> None:
    agents = [
        agent("a3", rack="r1"),
        agent("a1", rack="r1"),
        agent("a2"),
        agent("a4", SMALL, rack="r1"),
        agent("a5", rack="r1", dedicated="db"),
        agent("a6", None, rack="r1"),
    ]
    wanted = request(1, rule("rack", Operator.MAX_PER, "1"), pins={0: "a1"})
    picture = snapshot(agents, free={}, tasks={WEB: {"a1": 5}}, unavailable={"a3": "is draining"}, overhead=EXECUTOR)
    assert eligible(wanted, picture) == ("a1", "a6")


# ---- more agents than are looked at one by one --------------------------------------


def test_large_clusters_are_treated_as_small_ones() -> None:
    agents = [small(f"a{number:03}", cpus=number * 10) for number in range(200)]
    assert placed(request(500, wants=Resources(cpus_milli=1000, mem_mib=1)), agents) == [
        f"a{number:03}" for number in range(100, 200)
    ]
    assert sentence(request(500, wants=Resources(cpus_milli=1000, mem_mib=1)), snapshot(agents)) == (
        "0/200 agents fit: 200 cpus (wanted 1, best 0.99)"
    )


# ---- known shortcomings -------------------------------------------------------------


def test_a_slot_with_a_pin_is_tried_again_when_others_have_evened_the_spread() -> None:
    rules = Rules(spread=(Spread(over="rack"),))
    result = place([request(3, rules=rules, pins={0: "a0", 1: "a0", 2: "a1"})], snapshot(racks("r1", "r2")), seed=1)
    assert len(result.placements) == 3


def test_a_slot_with_a_pin_gets_its_agent_before_others_take_it() -> None:
    agents = [agent(f"a{number}", SMALL) for number in range(3)]
    for pin in ("a0", "a1", "a2"):
        assert len(placed(request(3, pins={2: pin}), agents)) == 3


def test_groups_wait_for_those_that_wait_themselves() -> None:
    def near(service: str) -> Rules:
        return Rules(near=(Neighbour(to=Selector(service=service)),))

    first = request(1, of=group("shop/a"), rules=near("b"))
    second = request(1, of=group("shop/b"), rules=near("c"))
    third = request(1, of=group("shop/c"))
    result = place([first, second, third], snapshot(racks("r1", "r1")), seed=1)
    assert len({placement.agent_id for placement in result.placements}) == 1
    assert len(result.placements) == 3


def test_groups_wait_for_one_that_wants_to_be_near_itself() -> None:
    itself = Rules(near=(Neighbour(to=Selector(service="small")),))
    one = request(1, of=group("shop/small"), rules=itself)
    other = request(1, of=group("shop/large"), rules=itself, wants=Resources(cpus_milli=4000, mem_mib=64))
    assert len(place([one, other], snapshot(racks("r1", "r1")), seed=1).placements) == 2
