"""Rules that depend on where tasks are: UNIQUE, MAX_PER, CLUSTER, GROUP_BY, SPREAD, near and apart; by what place()
makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from placement.agent import Agent
from placement.engine import place
from placement.request import Request
from specs.ids import AgentId, VersionId
from specs.model.constraints import Constraint, Counted, GroupByMode, Neighbour, Rules, Selector, Spread
from specs.model.operators import Operator
from specs.model.resources import Resources
from tests.kit.cluster_of import (
    NEW,
    OLD,
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
    sentence,
    snapshot,
    where,
)

UNIQUE = rule("hostname", Operator.UNIQUE)
RACK = rule("rack", Operator.GROUP_BY)
QUOTA = GroupByMode.QUOTA
DB = group("shop/db")


def by_rack(wanted: Request, agents: list[Agent], tasks: Mapping[str, int] | None = None) -> dict[str, int]:
    """The number of slots by rack; those without one are under ""."""
    names = {each.id: dict(each.attributes).get("rack", "") for each in agents}
    found: dict[str, int] = {}
    for id in placed(wanted, agents, tasks=tasks):
        found[names[id]] = found.get(names[id], 0) + 1  # type: ignore[index]
    return dict(sorted(found.items()))


def with_racks(name: str, *texts: str) -> Agent:
    """An agent to which the attribute `rack` was given so many times."""
    return replace(agent(name), attributes=tuple(("rack", text) for text in texts))


# ---- the order in which rules are blamed -----------------------------------------------


def test_gpus_are_blamed_among_the_guards_and_before_cpus() -> None:
    with_gpus = agent("a0", replace(ROOMY, gpus=2), rack="r1")
    here = snapshot([with_gpus])
    said = sentence(request(1, rule("rack", Operator.IS, "r2")), here)
    assert said == "0/1 agents fit: 1 @gpus (wanted none, as no gpus are asked for)"
    greedy = Resources(cpus_milli=64_000, mem_mib=64, gpus=4)
    assert sentence(request(1, wants=greedy), here) == "0/1 agents fit: 1 gpus (wanted 4, best 2)"


# ---- UNIQUE and MAX_PER -------------------------------------------------------------


def test_unique_takes_an_agent_once() -> None:
    assert placed(request(3, UNIQUE), racks("r1", "r1")) == ["a0", "a1"]


def test_unique_counts_a_task_for_every_value_that_its_agent_has() -> None:
    agents = [with_racks("a0", "r1", "r2"), with_racks("a1", "r1"), with_racks("a2", "r2"), with_racks("a3", "r3")]
    unique = request(4, rule("rack", Operator.UNIQUE))
    assert placed(unique, agents, tasks={"a0": 1}) == ["a3"]
    assert set(placed(unique, agents, tasks={"a1": 1})) == {"a2", "a3"}


def test_what_is_to_be_even_goes_to_no_agent_with_several_values() -> None:
    agents = [with_racks("a0", "r1", "r2"), with_racks("a1", "r1"), with_racks("a2", "r2")]
    assert sorted(placed(request(4, RACK), agents)) == ["a1", "a1", "a2", "a2"]
    assert sentence(request(1, RACK), snapshot(agents[:1])) == "0/1 agents fit: 1 rack (wanted GROUP_BY)"


def test_tasks_on_an_agent_with_several_values_make_none_of_them_fuller() -> None:
    agents = [with_racks("a0", "r1", "r2"), with_racks("a1", "r1"), with_racks("a2", "r2")]
    even = Rules(spread=(Spread(over="rack"),))
    for wanted in (request(2, RACK), request(2, rule("rack", Operator.GROUP_BY, mode=QUOTA)), request(2, rules=even)):
        assert sorted(placed(wanted, agents, tasks={"a0": 3})) == ["a1", "a2"]


def test_cluster_is_one_value_that_all_have() -> None:
    agents = [with_racks("a0", "r1", "r2"), with_racks("a1", "r1"), with_racks("a2", "r2")]
    together = request(3, rule("rack", Operator.CLUSTER))
    assert set(placed(together, agents, tasks={"a0": 1, "a1": 1})) == {"a0", "a1"}


def test_apart_keeps_away_from_every_value_of_an_agent() -> None:
    agents = [with_racks("a0", "r1", "r2"), with_racks("a1", "r1"), with_racks("a2", "r2"), with_racks("a3", "r3")]
    apart = request(4, rules=Rules(apart=(Neighbour(to=Selector(service="db"), field="rack"),)))
    assert where(place([apart], snapshot(agents, tasks={DB: {"a0": 1}}), seed=1)) == ["a3"] * 4


def test_unique_by_another_field_takes_each_value_once_and_no_agent_without_it() -> None:
    assert by_rack(request(4, rule("rack", Operator.UNIQUE)), racks("r1", "r1", "r2", "")) == {"r1": 1, "r2": 1}


@pytest.mark.parametrize(("most", "expected"), [("1", {"r1": 1, "r2": 1}), ("2", {"r1": 2, "r2": 2})])
def test_max_per_takes_each_value_so_often(most: str, expected: dict[str, int]) -> None:
    wanted = request(9, rule("rack", Operator.MAX_PER, most))
    assert by_rack(wanted, racks("r1", "r1", "r1", "r2", "")) == expected


def test_tasks_that_run_already_count() -> None:
    assert placed(request(3, UNIQUE), racks("r1", "r1"), tasks={"a0": 1}) == ["a1"]
    wanted = request(9, rule("rack", Operator.MAX_PER, "3"))
    assert by_rack(wanted, racks("r1", "r1", "r2"), tasks={"a0": 1, "a1": 1, "a2": 4}) == {"r1": 1}


def test_tasks_on_agents_that_are_gone_do_not_count() -> None:
    assert placed(request(2, UNIQUE), racks("r1", "r1"), tasks={"gone": 5}) == ["a0", "a1"]


@pytest.mark.parametrize(
    ("operator", "values", "counts", "expected"),
    [
        (Operator.UNIQUE, (), Counted.ALL, ["a1"]),
        (Operator.UNIQUE, (), Counted.VERSION, ["a0", "a1"]),
        (Operator.MAX_PER, ("2",), Counted.ALL, ["a0", "a1", "a1"]),
        (Operator.MAX_PER, ("2",), Counted.VERSION, ["a0", "a0", "a1", "a1"]),
        (Operator.CLUSTER, (), Counted.ALL, ["a0"] * 5),
    ],
)
def test_of_older_versions_those_tasks_count_that_the_rule_says(
    operator: Operator, values: tuple[str, ...], counts: Counted, expected: list[str]
) -> None:
    wanted = request(5, rule("hostname", operator, *values, counts=counts))
    picture = snapshot(racks("r1", "r1"), tasks={WEB: {"a0": {OLD: 1}}})
    assert where(place([wanted], picture, seed=1)) == expected


def test_a_version_counts_its_own_tasks_of_before() -> None:
    picture = snapshot(racks("r1", "r1"), tasks={WEB: {"a0": {OLD: 1, NEW: 1}, "a1": {OLD: 7}}})
    wanted = request(5, rule("hostname", Operator.UNIQUE, counts=Counted.VERSION))
    assert where(place([wanted], picture, seed=1)) == ["a1"]


# ---- CLUSTER ------------------------------------------------------------------------


def test_cluster_without_a_value_stays_where_the_group_is() -> None:
    wanted = request(4, rule("rack", Operator.CLUSTER))
    assert by_rack(wanted, racks("r1", "r2", "r2"), tasks={"a0": 1}) == {"r1": 4}
    assert by_rack(wanted, racks("r1", "r2", "r2"), tasks={"a0": 1, "a1": 1, "a2": 1}) == {"r2": 4}


def test_cluster_without_a_value_begins_where_most_of_it_has_room() -> None:
    small = Resources(cpus_milli=1000, mem_mib=1000)
    agents = [agent("a0", small, rack="r1"), agent("a1", small, rack="r2"), agent("a2", small, rack="r2")]
    assert by_rack(request(4, rule("rack", Operator.CLUSTER)), agents) == {"r2": 4}


def test_cluster_without_a_value_begins_where_the_other_rules_allow_it() -> None:
    rules = Rules(constraints=(rule("rack", Operator.CLUSTER),), apart=(Neighbour(to=Selector(service="db")),))
    picture = snapshot(racks("r1", "r1", "r2"), tasks={DB: {"a0": 1, "a1": 1}})
    assert where(place([request(2, rules=rules)], picture, seed=1)) == ["a2", "a2"]


def test_cluster_without_a_value_stays_where_it_can_of_values_with_as_many() -> None:
    tiny = Resources(cpus_milli=600, mem_mib=100)
    agents = [agent("a0", tiny, rack="r1"), agent("a1", rack="r2"), agent("a2", tiny, rack="r3")]
    wanted = request(4, rule("rack", Operator.CLUSTER))
    assert by_rack(wanted, agents, tasks={"a0": 1, "a1": 1}) == {"r2": 4}


def test_cluster_takes_no_agent_without_the_field() -> None:
    assert placed(request(2, rule("rack", Operator.CLUSTER)), racks("", "")) == []


def test_cluster_with_a_value_is_that_value() -> None:
    assert by_rack(request(3, rule("rack", Operator.CLUSTER, "r2")), racks("r1", "r2", "")) == {"r2": 3}


# ---- GROUP_BY -----------------------------------------------------------------------


@pytest.mark.parametrize("mode", list(GroupByMode))
@pytest.mark.parametrize("values", [(), ("1",), ("3",), ("99",)])
def test_group_by_never_stops_while_there_is_a_value_with_room(mode: GroupByMode, values: tuple[str, ...]) -> None:
    found = by_rack(request(7, rule("rack", Operator.GROUP_BY, *values, mode=mode)), racks("r1", "r2", "r3"))
    assert sum(found.values()) == 7


@pytest.mark.parametrize(
    ("mode", "values", "slots", "expected"),
    [
        (GroupByMode.MINIMUM, (), 6, {"r1": 2, "r2": 2, "r3": 2}),
        # n is a minimum: all values are used.
        (GroupByMode.MINIMUM, ("2",), 6, {"r1": 2, "r2": 2, "r3": 2}),
        (GroupByMode.MINIMUM, ("3",), 6, {"r1": 2, "r2": 2, "r3": 2}),
        (GroupByMode.MINIMUM, ("9",), 6, {"r1": 2, "r2": 2, "r3": 2}),
        (QUOTA, (), 6, {"r1": 2, "r2": 2, "r3": 2}),
        (QUOTA, ("3",), 6, {"r1": 2, "r2": 2, "r3": 2}),
        (QUOTA, ("9",), 6, {"r1": 2, "r2": 2, "r3": 2}),
    ],
)
def test_group_by_is_even(mode: GroupByMode, values: tuple[str, ...], slots: int, expected: dict[str, int]) -> None:
    wanted = request(slots, rule("rack", Operator.GROUP_BY, *values, mode=mode))
    assert by_rack(wanted, racks("r1", "r1", "r2", "r3", "")) == expected


def test_group_by_as_a_quota_uses_n_values_and_no_more() -> None:
    found = by_rack(request(7, rule("rack", Operator.GROUP_BY, "2", mode=QUOTA)), racks("r1", "r2", "r3"))
    assert sorted(found.values()) == [3, 4]


def test_group_by_as_a_quota_of_fewer_instances_than_values() -> None:
    found = by_rack(request(2, rule("rack", Operator.GROUP_BY, "3", mode=QUOTA)), racks("r1", "r2", "r3"))
    assert sorted(found.values()) == [1, 1]


def test_group_by_as_a_quota_keeps_to_it_where_a_value_is_full() -> None:
    agents = [agent("a0", SMALL, rack="r1"), agent("a1", rack="r2")]
    wanted = request(5, rule("rack", Operator.GROUP_BY, mode=QUOTA))
    assert by_rack(wanted, agents) == {"r1": 1, "r2": 3}


def test_group_by_goes_on_at_a_new_value_and_then_at_the_one_with_the_fewest() -> None:
    agents = racks("r1", "r2", "r3")
    assert by_rack(request(1, RACK), agents, tasks={"a0": 2, "a1": 1}) == {"r3": 1}
    assert by_rack(request(1, RACK), agents, tasks={"a0": 2, "a1": 1, "a2": 2}) == {"r2": 1}


@pytest.mark.parametrize("rules", [Rules(constraints=(RACK,)), Rules(spread=(Spread(over="rack"),))], ids=str)
def test_evenness_does_not_count_what_makes_way(rules: Rules) -> None:
    wanted = replace(request(2), rules=rules, outgoing={AgentId("a0"): {OLD: 1}, AgentId("a2"): {OLD: 1}})
    tasks = {f"a{number}": 1 for number in range(6)}
    found = by_rack(wanted, racks("r1", "r1", "r2", "r2", "r3", "r3"), tasks)
    assert found == {"r1": 1, "r2": 1}


def test_what_makes_way_is_counted_where_there_may_be_so_many() -> None:
    wanted = replace(request(1, UNIQUE), outgoing={AgentId("a0"): {OLD: 1}})
    assert placed(wanted, racks("r1", "r2"), tasks={"a0": 1}) == ["a1"]


def test_group_by_waits_for_the_value_with_the_fewest_as_in_marathon() -> None:
    agents = [agent("a0", SMALL, rack="r1"), agent("a1", rack="r2")]
    assert by_rack(request(5, RACK), agents) == {"r1": 1, "r2": 2}


def test_group_by_counts_no_values_on_which_the_group_could_not_run() -> None:
    tiny = Resources(cpus_milli=100, mem_mib=10)
    agents = [*racks("r1", "r2"), agent("a2", tiny, rack="r3"), agent("a3", rack="r4", dedicated="db")]
    assert by_rack(request(6, rule("rack", Operator.GROUP_BY, "3")), agents) == {"r1": 3, "r2": 3}


def test_group_by_is_not_stuck_when_a_rack_is_gone_or_drained() -> None:
    agents = racks("r1", "r2")
    wanted = request(4, rule("rack", Operator.GROUP_BY, "3"))
    assert by_rack(wanted, agents, tasks={"gone": 1}) == {"r1": 2, "r2": 2}
    picture = snapshot(racks("r1", "r2", "r3"), unavailable={"a2": "is draining"}, tasks={WEB: {"a0": 1, "a1": 1}})
    assert where(place([wanted], picture, seed=1)) == ["a0", "a0", "a1", "a1"]


@pytest.mark.parametrize("mode", list(GroupByMode))
def test_group_by_without_any_agent_of_the_field_refuses_all(mode: GroupByMode) -> None:
    assert placed(request(2, rule("rack", Operator.GROUP_BY, mode=mode)), racks("", "")) == []
    assert placed(request(2, rule("rack", Operator.GROUP_BY, "2", mode=mode), instances=0), []) == []


def test_group_by_of_the_own_version_counts_this_only() -> None:
    own = rule("rack", Operator.GROUP_BY, counts=Counted.VERSION)
    agents = racks("r1", "r2")
    picture = snapshot(agents, tasks={WEB: {"a0": {OLD: 3}}})
    assert where(place([request(2, own)], picture, seed=1)) == ["a0", "a1"]
    assert where(place([request(2, RACK)], picture, seed=1)) == ["a1", "a1"]


# ---- any, all, not ------------------------------------------------------------------


def test_any_takes_what_one_of_its_parts_takes() -> None:
    either = combined(Operator.ANY, rule("rack", Operator.IS, "r1"), rule("hostname", Operator.MAX_PER, "1"))
    assert placed(request(5, either), racks("r1", "r2", "r3")) == ["a0", "a0", "a0", "a1", "a2"]


def test_all_takes_what_each_of_its_parts_takes() -> None:
    both = combined(Operator.ALL, rule("rack", Operator.IN, "r1", "r2"), UNIQUE)
    assert placed(request(5, both), racks("r1", "r2", "r3", "")) == ["a0", "a1"]


def test_not_takes_what_its_part_does_not_take_and_what_has_no_field() -> None:
    neither = combined(Operator.NOT, rule("rack", Operator.IS, "r1"))
    assert by_rack(request(2, neither), racks("r1", "r2", "")) == {"": 1, "r2": 1}
    beside_one = combined(Operator.NOT, UNIQUE)
    assert placed(request(2, beside_one), racks("r1", "r2"), tasks={"a1": 1}) == ["a1", "a1"]


def test_parts_within_parts() -> None:
    rules = combined(
        Operator.ALL,
        combined(Operator.NOT, combined(Operator.ANY, rule("rack", Operator.IS, "r1"), rule("place", Operator.IS_SET))),
        rule("hostname", Operator.MAX_PER, "2"),
    )
    assert placed(request(9, rules), [*racks("r1", "r2", "r3"), agent("a3", rack="r4", place="p")]) == [
        "a1",
        "a1",
        "a2",
        "a2",
    ]


def test_group_by_in_a_part_counts_only_values_that_the_other_parts_allow() -> None:
    both = combined(Operator.ALL, rule("rack", Operator.UNLIKE, "r3"), rule("rack", Operator.GROUP_BY, "3"))
    assert by_rack(request(4, both), racks("r1", "r2", "r3")) == {"r1": 2, "r2": 2}


# ---- SPREAD -------------------------------------------------------------------------


def spread(*, weight: int = 0, max_skew: int = 1, min_domains: int = 0) -> Rules:
    return Rules(spread=(Spread(over="rack", weight=weight, max_skew=max_skew, min_domains=min_domains),))


@pytest.mark.parametrize(("skew", "expected"), [(1, {"r1": 1, "r2": 2}), (2, {"r1": 1, "r2": 3})])
def test_a_hard_spread_keeps_the_skew(skew: int, expected: dict[str, int]) -> None:
    agents = [agent("a0", SMALL, rack="r1"), agent("a1", rack="r2"), agent("a2")]
    assert by_rack(request(9, rules=spread(max_skew=skew)), agents) == expected


def test_a_spread_is_as_even_as_it_can_be_whatever_skew_is_allowed() -> None:
    assert by_rack(request(6, rules=spread(max_skew=3)), racks("r1", "r2", "r2", "r2")) == {"r1": 3, "r2": 3}


def test_a_spread_counts_only_domains_in_which_the_group_could_run() -> None:
    tiny = Resources(cpus_milli=100, mem_mib=10)
    agents = [*racks("r1", "r2"), agent("a2", tiny, rack="r3")]
    assert by_rack(request(6, rules=spread()), agents) == {"r1": 3, "r2": 3}
    only = Rules(spread=spread().spread, constraints=(rule("rack", Operator.LIKE, "r1"),))
    assert by_rack(request(3, rules=only), agents) == {"r1": 3}


def test_too_few_domains_count_as_one_that_is_empty() -> None:
    agents = racks("r1", "r2")
    assert by_rack(request(6, rules=spread(min_domains=3)), agents) == {"r1": 1, "r2": 1}
    assert by_rack(request(6, rules=spread(min_domains=3, max_skew=2)), agents) == {"r1": 2, "r2": 2}
    assert by_rack(request(6, rules=spread(min_domains=2)), agents) == {"r1": 3, "r2": 3}


def test_a_soft_spread_goes_where_it_is_emptiest_and_on_where_it_has_to() -> None:
    agents = [agent("a0", SMALL, rack="r1"), agent("a1", rack="r2")]
    assert by_rack(request(4, rules=spread(weight=10)), agents) == {"r1": 1, "r2": 3}
    assert by_rack(request(1, rules=spread(weight=10)), racks("r1", "r2", "r2"), tasks={"a1": 1}) == {"r1": 1}


@pytest.mark.parametrize("weight", [0, 20])
def test_targets_are_shares_of_the_wanted_instances(weight: int) -> None:
    rules = Rules(spread=(Spread(over="rack", targets=(("r1", 60), ("*", 20)), weight=weight),))
    assert by_rack(request(10, rules=rules), racks("r1", "r2", "r3")) == {"r1": 6, "r2": 2, "r3": 2}


def test_hard_targets_leave_what_no_target_takes() -> None:
    rules = Rules(spread=(Spread(over="rack", targets=(("r1", 50), ("r2", 20))),))
    assert by_rack(request(10, rules=rules), racks("r1", "r2", "r3")) == {"r1": 5, "r2": 2}


def test_a_nested_spread_is_even_on_each_level() -> None:
    # A zone with three racks and one with a single rack: the zones come first.
    zones = {"r1": "z1", "r2": "z1", "r3": "z1", "r4": "z2"}
    agents = [agent(f"a{number}", rack=name, place=zone) for number, (name, zone) in enumerate(zones.items())]
    rules = Rules(spread=(Spread(over="place"), Spread(over="rack", within=("place",))))
    assert by_rack(request(6, rules=rules), agents) == {"r1": 1, "r2": 1, "r3": 1, "r4": 3}


def test_a_nested_spread_compares_domains_of_one_outer_domain_only() -> None:
    # Rack 1 of each zone is another rack.
    agents = [
        agent("a0", rack="1", place="z1"),
        agent("a1", rack="1", place="z2"),
        agent("a2", rack="2", place="z2"),
    ]
    rules = Rules(spread=(Spread(over="rack", within=("place",)),))
    assert placed(request(1, rules=rules, pins={0: "a0"}), agents, tasks={"a0": 5, "a1": 1}) == ["a0"]
    assert placed(request(1, rules=rules, pins={0: "a1"}), agents, tasks={"a0": 5, "a1": 1}) == []


# ---- near and apart -----------------------------------------------------------------


def near(service: str = "db", *, stack: str = "", field: str = "hostname", labels: tuple[str, ...] = ()) -> Rules:
    return Rules(near=(Neighbour(to=Selector(stack=stack, service=service, labels=labels), field=field),))


def apart(service: str = "db", *, stack: str = "", field: str = "hostname", labels: tuple[str, ...] = ()) -> Rules:
    return Rules(apart=(Neighbour(to=Selector(stack=stack, service=service, labels=labels), field=field),))


@pytest.mark.parametrize(
    ("rules", "other", "expected"),
    [
        (near(), "shop/db", ["a1", "a1"]),
        (near(field="rack"), "shop/db", ["a1", "a2"]),
        (near("d?"), "shop/db", ["a1", "a1"]),
        (near(), "other/db", []),
        (near(stack="other"), "other/db", ["a1", "a1"]),
        (near(stack="*"), "other/db", ["a1", "a1"]),
        (near(labels=("dev",)), "shop/db[dev,eu]", ["a1", "a1"]),
        (near(labels=("dev",)), "shop/db[prod]", []),
        (apart(), "shop/db", ["a0", "a2"]),
        (apart(field="rack"), "shop/db", ["a0", "a0"]),
        (apart(), "other/db", ["a0", "a2"]),
        (apart(stack="*"), "other/db", ["a0", "a2"]),
        (apart(labels=("dev",)), "shop/db[dev]", ["a0", "a2"]),
        (apart("nothing"), "shop/db", ["a0", "a2"]),
    ],
    ids=str,
)
def test_near_and_apart(rules: Rules, other: str, expected: list[str]) -> None:
    has = SMALL + SMALL
    agents = [agent("a0", has, rack="r1"), agent("a1", has, rack="r2"), agent("a2", has, rack="r2")]
    # Where nothing keeps it from a1, another preference does, so that a test that sees no rule fails.
    picture = snapshot(agents, tasks={group(other): {"a1": 1}})
    wanted = request(2, rules=rules, penalties={"a1": 5} if rules.apart else {})
    assert where(place([wanted], picture, seed=1)) == expected


def test_apart_holds_both_ways() -> None:
    away = Neighbour(to=Selector(service="web"), field="rack")
    picture = snapshot(racks("r1", "r1", "r2"), tasks={DB: {"a0": 1}}, apart=[(DB, away)])
    assert where(place([request(2)], picture, seed=1)) == ["a2", "a2"]
    assert sentence(request(1, rule("rack", Operator.IS, "r1")), picture) == (
        "0/3 agents fit: 2 apart on rack (wanted away from shop/db), 1 rack (wanted r1)"
    )


def test_apart_holds_both_ways_among_groups_of_one_call() -> None:
    away = Neighbour(to=Selector(service="web"))
    big = request(1, of=DB, wants=Resources(cpus_milli=4000, mem_mib=64), rules=Rules(apart=(away,)))
    result = place([request(2), big], snapshot(racks("r1", "r1"), apart=[(DB, away)]), seed=1)
    (home,) = where(result, DB)
    assert home not in where(result)
    assert len(where(result)) == 2


def test_a_group_waits_for_those_it_wants_to_be_near() -> None:
    first = request(1, of=group("shop/zoo"))
    wanted = request(2, wants=Resources(cpus_milli=4000, mem_mib=64), rules=near("zoo"))
    result = place([wanted, first], snapshot(racks("r1", "r1", "r1")), seed=1)
    assert set(where(result)) == set(where(result, first.group))


def test_near_to_nothing_is_refused() -> None:
    assert sentence(request(1, rules=near()), snapshot(racks("r1", "r1"))) == (
        "0/2 agents fit: 2 near on hostname (wanted db, of which nothing runs)"
    )


def test_the_first_of_a_group_that_wants_to_be_near_itself_goes_anywhere() -> None:
    rules = near("web", field="rack")
    assert len(by_rack(request(4, rules=rules), racks("r1", "r2", "r2", ""))) == 1
    assert by_rack(request(4, rules=rules), racks("r1", "r2"), tasks={"a1": 1}) == {"r2": 4}


def test_a_group_near_itself_that_finds_no_more_room_there_is_not_told_that_nothing_runs() -> None:
    agents = [agent("a0", SMALL), agent("a1", Resources(cpus_milli=10, mem_mib=10))]
    assert sentence(request(2, rules=near("web")), snapshot(agents)) == (
        "0/2 agents fit: 1 cpus (wanted 0.5, best 0), 1 near on hostname (wanted web)"
    )


def test_apart_from_itself_is_one_for_each_value() -> None:
    assert by_rack(request(4, rules=apart("web", field="rack")), racks("r1", "r1", "r2")) == {"r1": 1, "r2": 1}


def test_neighbours_without_the_field_are_near_to_nobody() -> None:
    picture = snapshot(racks("r1", ""), tasks={DB: {"a1": 1}})
    assert where(place([request(1, rules=near(field="rack"))], picture, seed=1)) == []
    assert where(place([request(2, rules=apart(field="rack"))], picture, seed=1)) == ["a0", "a1"]


# ---- what is said -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("constraint", "tasks", "expected"),
    [
        (UNIQUE, {"a0": 1, "a1": 1, "a2": 1}, "3 hostname (wanted UNIQUE)"),
        (rule("rack", Operator.MAX_PER, "1"), {"a0": 1, "a2": 1}, "3 rack (wanted MAX_PER 1)"),
        (rule("rack", Operator.CLUSTER, "r9"), {}, "3 rack (wanted r9)"),
        (rule("rack", Operator.LIKE, "x.*"), {}, "3 rack (wanted LIKE x.*)"),
        (rule("rack", Operator.NOT_IN, "r1", "r2"), {}, "3 rack (wanted NOT IN r1, r2)"),
        (rule("size", Operator.AT_LEAST, "2"), {}, "3 size (wanted >= 2)"),
        (
            combined(Operator.ANY, rule("rack", Operator.IS, "r8"), rule("zone", Operator.IS, "z")),
            {},
            "3 any (wanted rack r8 or zone z)",
        ),
        (combined(Operator.NOT, rule("rack", Operator.LIKE, "r.*")), {}, "3 not (wanted not (rack LIKE r.*))"),
    ],
    ids=str,
)
def test_the_rule_that_no_agent_meets_is_named(constraint: Constraint, tasks: dict[str, int], expected: str) -> None:
    picture = snapshot(racks("r1", "r1", "r2"), tasks={WEB: tasks})
    assert sentence(request(1, constraint), picture) == f"0/3 agents fit: {expected}"


def test_of_group_by_and_spread_the_emptiest_value_is_named() -> None:
    picture = snapshot(
        [agent("a0", rack="r1"), agent("a1", SMALL, rack="r2")], free={"a0": ROOMY}, tasks={WEB: {"a0": 2, "a1": 1}}
    )
    fewest = "r2 has the fewest, 1"
    assert sentence(request(1, RACK), picture) == (
        f"0/2 agents fit: 1 offer (not offered now), 1 rack (wanted GROUP_BY: {fewest})"
    )
    assert sentence(request(1, rules=spread()), picture) == (
        f"0/2 agents fit: 1 offer (not offered now), 1 rack (wanted SPREAD 1: {fewest})"
    )


def test_versions_are_versions_of_tasks() -> None:
    third = VersionId("third")
    picture = snapshot(racks("r1", "r1"), tasks={WEB: {"a0": {third: 1}, "a1": {OLD: 1}}})
    assert len(where(place([request(1, UNIQUE)], picture, seed=1))) == 0
