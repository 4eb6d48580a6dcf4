"""The agent that is taken of those that fit: preferences, soft neighbours and spreads, failures, homes, the
strategy."""

from __future__ import annotations

from dataclasses import replace
from unittest import mock

import pytest

from placement.agent import Agent
from placement.engine import place
from specs.model.constraints import Neighbour, Preference, Rules, Selector, Spread, Strategy
from specs.model.operators import Operator
from specs.model.resources import Resources
from tests.kit.cluster_of import (
    ROOMY,
    SMALL,
    WEB,
    agent,
    combined,
    group,
    placed,
    racks,
    request,
    rule,
    snapshot,
    where,
)

DB = group("shop/db")
PACK = Rules(strategy=Strategy.PACK)


def like(field: str, value: str, weight: int) -> Preference:
    return Preference(rule=rule(field, Operator.IS, value), weight=weight)


def preferring(*preferences: Preference) -> Rules:
    return Rules(prefer=preferences)


def full_and_empty() -> list[Agent]:
    """a0 has less free than a1."""
    return [replace(agent("a0"), free=Resources(cpus_milli=8_000, mem_mib=8_192)), agent("a1")]


# ---- preferences --------------------------------------------------------------------


def test_agents_that_are_preferred_come_first_and_others_when_these_are_full() -> None:
    agents = [agent("a0"), agent("a1", SMALL, disk="ssd"), agent("a2")]
    found = placed(request(3, rules=preferring(like("disk", "ssd", 10))), agents)
    assert found == ["a0", "a1", "a2"]
    assert placed(request(1, rules=preferring(like("disk", "ssd", 10))), agents) == ["a1"]


def test_a_negative_weight_keeps_away_while_there_is_another_agent() -> None:
    agents = [agent("a0", disk="hdd"), agent("a1", SMALL)]
    assert placed(request(2, rules=preferring(like("disk", "hdd", -1))), agents) == ["a0", "a1"]
    assert placed(request(1, rules=preferring(like("disk", "hdd", -1))), agents) == ["a1"]


@pytest.mark.parametrize(
    ("weights", "expected"), [((10, 20), "a1"), ((20, 10), "a0"), ((15, -5), "a0"), ((-15, -5), "a2"), ((5, 6), "a1")]
)
def test_the_points_of_preferences_are_added(weights: tuple[int, int], expected: str) -> None:
    agents = [agent("a0", disk="ssd"), agent("a1", rack="r1"), agent("a2")]
    rules = preferring(like("disk", "ssd", weights[0]), like("rack", "r1", weights[1]))
    assert placed(request(1, rules=rules), agents) == [expected]


def test_two_small_preferences_outweigh_a_large_one() -> None:
    agents = [agent("a0", disk="ssd"), agent("a1", rack="r1", place="here")]
    rules = preferring(like("disk", "ssd", 50), like("rack", "r1", 30), like("place", "here", 30))
    assert placed(request(1, rules=rules), agents) == ["a1"]


def test_a_preference_can_combine_rules() -> None:
    both = combined(Operator.ALL, rule("disk", Operator.IS, "ssd"), rule("rack", Operator.UNLIKE, "r1"))
    agents = [agent("a0", disk="ssd", rack="r1"), agent("a1", disk="ssd", rack="r2"), agent("a2", rack="r2")]
    assert placed(request(3, rules=preferring(Preference(rule=both))), agents) == ["a1"] * 3


def test_points_come_before_room_and_before_an_even_share() -> None:
    agents = [*full_and_empty()[:1], agent("a1")]
    agents[0] = replace(agents[0], attributes=(("disk", "ssd"),))
    assert placed(request(4, rules=preferring(like("disk", "ssd", 1))), agents) == ["a0"] * 4


# ---- failures -----------------------------------------------------------------------


def test_an_agent_that_failed_the_group_comes_last() -> None:
    agents = racks("r1", "r1", "r1")
    assert placed(request(2, penalties={"a1": 20}), agents) == ["a0", "a2"]
    assert placed(request(1, penalties={"a0": 20, "a1": 5, "a2": 20}), agents) == ["a1"]
    assert placed(request(1, penalties={"a0": 20, "gone": 5}), agents[:1]) == ["a0"]


def test_failures_cost_a_group_no_redundancy() -> None:
    """After a failure on each of two agents both tasks are not to sit on the third."""
    agents = racks("r1", "r1", "r1")
    failed = {"a0": 19, "a1": 20}
    assert placed(request(2, penalties=failed), agents) == ["a0", "a2"]
    picture = snapshot(agents, tasks={WEB: {"a2": 1}})
    assert where(place([request(1, penalties=failed)], picture, seed=1)) == ["a0"]
    assert placed(request(4, penalties={"a1": 20}), agents).count("a1") == 1


def test_failures_cost_a_group_no_soft_spread() -> None:
    agents = racks("r1", "r1", "r2")
    rules = Rules(spread=(Spread(over="rack", weight=1),))
    picture = snapshot(agents, tasks={WEB: {"a0": 1}})
    assert where(place([request(1, rules=rules, penalties={"a2": 40})], picture, seed=1)) == ["a2"]


def test_an_agent_that_failed_a_group_again_and_again_is_left_for_a_fuller_one() -> None:
    """It would not run there, so that there is no redundancy to keep; but where all are as bad, it is even again."""
    agents = racks("r1", "r1", "r1")
    assert placed(request(4, penalties={"a1": 60}), agents) == ["a0", "a0", "a2", "a2"]
    assert placed(request(3, penalties={"a0": 60, "a1": 70, "a2": 80}), agents) == ["a0", "a1", "a2"]


def test_a_failure_weighs_against_a_preference() -> None:
    agents = [agent("a0", disk="ssd"), agent("a1")]
    rules = preferring(like("disk", "ssd", 30))
    assert placed(request(1, rules=rules, penalties={"a0": 20}), agents) == ["a0"]
    assert placed(request(1, rules=rules, penalties={"a0": 40}), agents) == ["a1"]


# ---- soft neighbours and spreads ----------------------------------------------------


@pytest.mark.parametrize(("is_near", "expected"), [(True, ["a1", "a1"]), (False, ["a0", "a2"])])
def test_soft_neighbours_are_worth_points(is_near: bool, expected: list[str]) -> None:
    pull = (Neighbour(to=Selector(service="db"), weight=10),)
    rules = Rules(near=pull) if is_near else Rules(apart=pull)
    picture = snapshot(racks("r1", "r1", "r1"), tasks={DB: {"a1": 1}})
    assert where(place([request(2, rules=rules)], picture, seed=1)) == expected


def test_a_soft_neighbour_that_cannot_be_had_is_no_obstacle() -> None:
    rules = Rules(
        near=(Neighbour(to=Selector(service="nobody"), weight=10),),
        apart=(Neighbour(to=Selector(service="db"), weight=10),),
    )
    picture = snapshot(racks("r1"), tasks={DB: {"a0": 1}})
    assert where(place([request(2, rules=rules)], picture, seed=1)) == ["a0", "a0"]


def test_a_group_softly_apart_from_itself_moves_on_with_each_task() -> None:
    rules = Rules(apart=(Neighbour(to=Selector(service="web"), field="rack", weight=10),), strategy=Strategy.PACK)
    assert placed(request(3, rules=rules), racks("r1", "r1", "r2", "r3")).count("a2") == 1


def test_a_nested_soft_spread_is_even_on_each_level_as_far_as_its_weights_say() -> None:
    agents = [agent(f"a{number}", place=f"z{number // 3}", rack=f"r{number}") for number in range(5)]
    rules = Rules(
        spread=(Spread(over="place", weight=50), Spread(over="rack", within=("place",), weight=20)),
    )
    found = placed(request(6, rules=rules), agents)
    assert sum(id in ("a0", "a1", "a2") for id in found) == 3
    assert [found.count(f"a{number}") for number in range(3)] == [1, 1, 1]
    assert sorted(found.count(f"a{number}") for number in (3, 4)) == [1, 2]


def test_agents_of_no_domain_come_after_all_that_are_in_one() -> None:
    rules = Rules(spread=(Spread(over="rack", weight=10),))
    assert placed(request(4, rules=rules), racks("r1", "")) == ["a0"] * 4
    assert placed(request(2, rules=rules), [agent("a0", SMALL, rack="r1"), agent("a1")]) == ["a0", "a1"]


@pytest.mark.parametrize("most_combinations", [0, 1000])
def test_a_spread_over_a_field_that_no_agent_has_leaves_the_other_preferences_alone(most_combinations: int) -> None:
    rules = Rules(spread=(Spread(over="rack", weight=10),), prefer=(like("disk", "ssd", 5),))
    agents = [agent("a0"), agent("a1", disk="ssd"), agent("a2")]
    with mock.patch("placement.scoring._MOST_COMBINATIONS", most_combinations):
        assert placed(request(2, rules=rules), agents) == ["a1", "a1"]


# ---- homes and pins -----------------------------------------------------------------


def test_a_slot_returns_to_the_agent_of_its_last_task() -> None:
    agents = racks("r1", "r1", "r1", "r1")
    for home in ("a0", "a1", "a2", "a3"):
        assert placed(request(1, homes={0: home}), agents) == [home]


def test_slots_with_a_home_get_it_before_others_take_it() -> None:
    agents = [agent("a0", SMALL), agent("a1", SMALL)]
    result = place([request(2, homes={1: "a0"})], snapshot(agents), seed=1)
    assert {placement.slot: placement.agent_id for placement in result.placements} == {0: "a1", 1: "a0"}


@pytest.mark.parametrize(("weight", "expected"), [(49, "a0"), (50, "a0"), (51, "a1")])
def test_a_home_is_worth_fifty_points(weight: int, expected: str) -> None:
    agents = [agent("a0"), agent("a1", disk="ssd")]
    wanted = request(1, rules=preferring(like("disk", "ssd", weight)), homes={0: "a0"})
    assert placed(wanted, agents) == [expected]


def test_a_home_that_is_gone_full_or_forbidden_is_left() -> None:
    tiny = Resources(cpus_milli=10, mem_mib=10)
    assert placed(request(1, homes={0: "gone"}), racks("r1")) == ["a0"]
    assert placed(request(1, homes={0: "a1"}), [agent("a0"), agent("a1", tiny)]) == ["a0"]
    assert placed(request(1, rule("rack", Operator.IS, "r1"), homes={0: "a1"}), racks("r1", "r2")) == ["a0"]
    assert placed(request(1, homes={0: "a1"}, penalties={"a1": 60}), racks("r1", "r1")) == ["a0"]


# ---- room and strategy --------------------------------------------------------------


def test_spreading_takes_the_agent_with_the_fewest_tasks_of_the_group_first() -> None:
    assert placed(request(1), full_and_empty(), tasks={"a1": 1}) == ["a0"]
    assert placed(request(6), racks("r1", "r1", "r1")) == ["a0", "a0", "a1", "a1", "a2", "a2"]


def test_spreading_takes_the_emptier_of_equals() -> None:
    assert placed(request(1), full_and_empty()) == ["a1"]


def test_the_scarcer_of_cpus_and_memory_says_how_empty_an_agent_is() -> None:
    agents = [
        replace(agent("a0"), free=Resources(cpus_milli=16_000, mem_mib=4_096)),
        replace(agent("a1"), free=Resources(cpus_milli=8_000, mem_mib=8_192)),
    ]
    assert placed(request(1), agents) == ["a1"]


def test_packing_takes_the_fuller_agent() -> None:
    assert placed(request(5, rules=PACK), full_and_empty()) == ["a0"] * 5


def test_packing_uses_no_more_agents_than_it_must() -> None:
    has = Resources(cpus_milli=1_000, mem_mib=1_000)
    agents = [agent(f"a{number}", has) for number in range(9)]
    found = placed(request(6, rules=PACK), agents)
    assert len(set(found)) == 3


def test_packing_heeds_points_first() -> None:
    rules = replace(PACK, prefer=(like("disk", "ssd", 1),))
    agents = [*full_and_empty(), agent("a2", ROOMY, disk="ssd")]
    assert placed(request(3, rules=rules), agents) == ["a2"] * 3


def test_groups_do_not_all_begin_at_the_same_agent() -> None:
    agents = racks(*["r1"] * 16)
    begins = {placed(request(1, of=group(f"shop/s{number}")), agents)[0] for number in range(40)}
    assert len(begins) > 8
    assert placed(request(1, of=WEB), agents) == placed(request(1, of=WEB), agents)
