"""Agents by number: their values, their domains, who meets a rule, who is large enough; and sets as bits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from placement.agent import Agent
from placement.bits import bits_of, first_in, numbers_in
from placement.cluster import UNKNOWN, Cluster, take_custom
from placement.thresholds import Threshold
from specs.ids import AgentId
from specs.model.constraints import Constraint
from specs.model.operators import Operator
from specs.model.resources import Resources
from tests.kit.cluster_of import agent, combined, rule

AGENTS = (
    agent("a2", Resources(cpus_milli=2000, mem_mib=100, gpus=2), rack="r2", region="home", zone="z1"),
    agent("a0", Resources(cpus_milli=1000, mem_mib=300), rack="r1", disk="{hdd,ssd}"),
    agent("a3", None, rack="r1", place="p1", dedicated="db"),
    agent("a1", Resources(cpus_milli=4000, mem_mib=200), place="p1", cores="8"),
)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster(AGENTS)


def ids(cluster: Cluster, bits: int) -> list[str]:
    return [cluster.agents[number].id for number in numbers_in(bits)]


def test_agents_are_numbered_in_the_order_of_their_ids(cluster: Cluster) -> None:
    assert [each.id for each in cluster.agents] == ["a0", "a1", "a2", "a3"]
    assert cluster.index == {AgentId("a0"): 0, AgentId("a1"): 1, AgentId("a2"): 2, AgentId("a3"): 3}
    assert ids(cluster, cluster.everybody) == ["a0", "a1", "a2", "a3"]
    assert ids(cluster, cluster.bits_of([AgentId("a3"), AgentId("gone"), AgentId("a1")])) == ["a1", "a3"]


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("hostname", (("a0",), ("a1",), ("a2",), ("a3",))),
        ("@id", (("a0",), ("a1",), ("a2",), ("a3",))),
        ("@region", ((), (), ("home",), ())),
        ("@zone", ((), (), ("z1",), ())),
        ("@gpus", (("0",), ("0",), ("2",), ("0",))),
        ("rack", (("r1",), (), ("r2",), ("r1",))),
        ("zone", ((), (), (), ())),
    ],
)
def test_values_of_a_field(cluster: Cluster, field: str, expected: tuple[tuple[str, ...], ...]) -> None:
    assert cluster.values(field) == expected


def with_racks(name: str, *texts: str) -> Agent:
    """An agent to which the attribute was given so many times."""
    return replace(agent(name), attributes=tuple(("rack", text) for text in texts))


def test_an_attribute_given_several_times_keeps_all_its_values() -> None:
    cluster = Cluster([with_racks("a0", "r1", "r2", "r1"), with_racks("a1", "r2"), agent("a2")])
    assert cluster.values("rack") == (("r1", "r2"), ("r2",), ())
    assert ids(cluster, cluster.overlapping("rack").having) == ["a0", "a1"]
    assert [ids(cluster, bits) for bits in cluster.overlapping("rack").bits] == [["a0"], ["a0", "a1"]]
    assert [cluster.overlapping("rack").holding(number) for number in range(3)] == [(0, 1), (1,), ()]


def test_an_agent_with_several_values_is_in_no_domain_of_what_is_to_be_even() -> None:
    cluster = Cluster([with_racks("a0", "r1", "r2"), with_racks("a1", "r2")])
    assert cluster.domains(("rack",)).keys == (("r2",),)
    assert cluster.domains(("rack",)).of == (-1, 0)


@pytest.mark.parametrize(
    ("operator", "wanted", "expected"),
    [
        (Operator.IS, ("r1",), ["a0"]),
        (Operator.LIKE, ("r[12]",), ["a0", "a1"]),
        (Operator.IN, ("r1", "r9"), ["a0"]),
        (Operator.CLUSTER, ("r1",), ["a0"]),
        (Operator.CONTAINS, ("r2",), ["a0", "a1"]),
        (Operator.NOT_EQUAL, ("r1",), ["a1", "a2"]),
        (Operator.NOT_IN, ("r1", "r9"), ["a1", "a2"]),
        (Operator.UNLIKE, ("r2",), ["a2"]),
        (Operator.IS_SET, (), ["a0", "a1"]),
        (Operator.IS_NOT_SET, (), ["a2"]),
    ],
)
def test_an_operator_and_several_values(operator: Operator, wanted: tuple[str, ...], expected: list[str]) -> None:
    """One value is enough; a negative operator is met where no value is what it refuses."""
    cluster = Cluster([with_racks("a0", "r1", "r2"), with_racks("a1", "r2"), agent("a2")])
    assert ids(cluster, cluster.where(rule("rack", operator, *wanted))) == expected


def test_one_of_several_versions_meets_all_conditions_or_none_does() -> None:
    cluster = Cluster([with_racks("a0", "4.19", "6.1"), with_racks("a1", "6.1", "5.15")])
    assert ids(cluster, cluster.where(rule("rack", Operator.VERSION, ">= 5.4", "< 6"))) == ["a1"]


def test_domains_of_one_field(cluster: Cluster) -> None:
    found = cluster.domains(("rack",))
    assert found.keys == (("r1",), ("r2",))
    assert [ids(cluster, bits) for bits in found.bits] == [["a0", "a3"], ["a2"]]
    assert found.of == (0, -1, 1, 0)
    assert found.parents == (0, 0)
    assert ids(cluster, found.having) == ["a0", "a2", "a3"]


def test_domains_of_nested_fields_know_their_outer_domain() -> None:
    cluster = Cluster(
        [
            agent("a0", place="p1", rack="1"),
            agent("a1", place="p2", rack="1"),
            agent("a2", place="p2", rack="2"),
            agent("a3", place="p2"),
        ]
    )
    found = cluster.domains(("place", "rack"))
    assert found.keys == (("p1", "1"), ("p2", "1"), ("p2", "2"))
    assert found.parents == (0, 1, 1)
    assert found.of == (0, 1, 2, -1)


def test_domains_of_a_field_that_nobody_has(cluster: Cluster) -> None:
    found = cluster.domains(("nothing",))
    assert (found.keys, found.bits, found.having) == ((), (), 0)


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        (rule("rack", Operator.IS, "r1"), ["a0", "a3"]),
        (rule("rack", Operator.UNLIKE, "r1"), ["a1", "a2"]),
        (rule("rack", Operator.NOT_EQUAL, "r2"), ["a0", "a1", "a3"]),
        (rule("rack", Operator.IS_NOT_SET), ["a1"]),
        (rule("rack", Operator.IS_SET), ["a0", "a2", "a3"]),
        (rule("hostname", Operator.LIKE, "a[12]"), ["a1", "a2"]),
        (rule("@gpus", Operator.AT_LEAST, "1"), ["a2"]),
        (rule("@zone", Operator.IN, "z1", "z2"), ["a2"]),
        (rule("disk", Operator.CONTAINS, "ssd"), ["a0"]),
        (rule("cores", Operator.MORE, "4"), ["a1"]),
        (combined(Operator.ANY, rule("rack", Operator.IS, "r2"), rule("place", Operator.IS, "p1")), ["a1", "a2", "a3"]),
        (combined(Operator.ALL, rule("rack", Operator.IS, "r1"), rule("place", Operator.IS, "p1")), ["a3"]),
        (combined(Operator.NOT, rule("rack", Operator.IS, "r1")), ["a1", "a2"]),
        (combined(Operator.NOT, combined(Operator.NOT, rule("rack", Operator.IS, "r1"))), ["a0", "a3"]),
    ],
    ids=str,
)
def test_who_meets_a_rule(cluster: Cluster, constraint: Constraint, expected: list[str]) -> None:
    assert ids(cluster, cluster.where(constraint)) == expected
    assert ids(cluster, cluster.where(constraint)) == expected, "the second time it is remembered"


def test_dedicated_agents_and_those_with_gpus(cluster: Cluster) -> None:
    assert ids(cluster, cluster.dedicated) == ["a3"]
    assert ids(cluster, cluster.with_gpus) == ["a2"]


@pytest.mark.parametrize(
    ("want", "expected"),
    [
        (Resources(), ["a0", "a1", "a2", "a3"]),
        (Resources(cpus_milli=1000), ["a0", "a1", "a2", "a3"]),
        (Resources(cpus_milli=1001), ["a1", "a2", "a3"]),
        (Resources(cpus_milli=2000, mem_mib=101), ["a1", "a3"]),
        (Resources(gpus=1), ["a2", "a3"]),
        (Resources(cpus_milli=99_000), ["a3"]),
        (Resources(scalars=(("tokens", 1),)), ["a3"]),
    ],
    ids=str,
)
def test_who_is_large_enough_where_nothing_runs(cluster: Cluster, want: Resources, expected: list[str]) -> None:
    assert ids(cluster, cluster.large_enough(want)) == expected


def test_what_is_not_told_is_never_too_little(cluster: Cluster) -> None:
    cpus, mem, disk, gpus = cluster.estimated_free
    assert cpus == [1000, 4000, 2000, UNKNOWN]
    assert (mem[3], disk[3], gpus[3]) == (UNKNOWN, UNKNOWN, UNKNOWN)


def test_no_more_is_free_than_an_agent_has() -> None:
    known = replace(agent("a0", Resources(cpus_milli=1000, mem_mib=100)), free=None)
    assert [column[0] for column in Cluster([known]).estimated_free] == [1000, 100, 0, 0]


def test_a_cluster_without_agents() -> None:
    cluster = Cluster([])
    assert cluster.everybody == cluster.dedicated == cluster.with_gpus == 0
    assert cluster.large_enough(Resources(cpus_milli=1)) == 0
    assert cluster.domains(("rack",)).keys == ()


HAS = Resources(scalars=(("tokens", 2500),), sets=(("fpga", ("f1", "f2", "f3")),))


@pytest.mark.parametrize(
    ("want", "taken"),
    [
        (Resources(), Resources()),
        (Resources(scalars=(("tokens", 2500),)), Resources(scalars=(("tokens", 2500),))),
        (Resources(scalars=(("tokens", 2501),)), None),
        (Resources(scalars=(("other", 1),)), None),
        # Of a set any items will do where their number is wanted.
        (Resources(scalars=(("fpga", 2000),)), Resources(sets=(("fpga", ("f1", "f2")),))),
        (Resources(scalars=(("fpga", 1500),)), Resources(sets=(("fpga", ("f1", "f2")),))),
        (Resources(scalars=(("fpga", 3001),)), None),
        (Resources(sets=(("fpga", ("f2",)),)), Resources(sets=(("fpga", ("f2",)),))),
        (Resources(sets=(("fpga", ("f4",)),)), None),
        (Resources(sets=(("other", ("f1",)),)), None),
        (
            Resources(scalars=(("fpga", 1000),), sets=(("fpga", ("f1",)),)),
            Resources(sets=(("fpga", ("f1", "f2")),)),
        ),
        (Resources(scalars=(("fpga", 3000),), sets=(("fpga", ("f1",)),)), None),
    ],
    ids=str,
)
def test_what_is_taken_of_custom_resources(want: Resources, taken: Resources | None) -> None:
    assert take_custom(HAS, want) == taken


@pytest.mark.parametrize("size", [0, 1, 127, 128, 129, 700])
def test_a_threshold_answers_as_looking_at_each_agent_would(size: int) -> None:
    amounts = [number * 37 % 91 - 5 for number in range(size)]
    threshold = Threshold(amounts)
    for least in (-9, -5, 0, 1, 40, 84, 85, 86, 1000):
        assert list(numbers_in(threshold.at_least(least))) == [n for n in range(size) if amounts[n] >= least]
    assert [amounts[number] for number in threshold.order] == sorted(amounts, reverse=True)


@pytest.mark.parametrize("numbers", [[], [0], [7, 8], [3, 64, 1000]])
def test_numbers_go_into_bits_and_come_out_ascending(numbers: list[int]) -> None:
    assert list(numbers_in(bits_of(reversed(numbers), 1001))) == numbers


@pytest.mark.parametrize(("start", "expected"), [(0, 3), (3, 3), (4, 9), (9, 9), (10, 3), (5000, 3)])
def test_the_first_of_a_set_from_some_number_on(start: int, expected: int) -> None:
    assert first_in(bits_of([3, 9], 20), start) == expected


def test_what_was_found_out_is_kept_while_only_what_is_free_changes() -> None:
    ssd = rule("disk", Operator.EQUAL, "ssd")
    before = Cluster([agent("a1", disk="ssd"), agent("a2", disk="hdd")])
    assert before.where(ssd) == 0b01
    fuller = before.renewed(replace(one, free=Resources(cpus_milli=1)) for one in reversed(before.agents))
    assert fuller._where is before._where
    assert fuller.estimated_free[0] == [1, 1]
    other = before.renewed([agent("a1", disk="hdd"), agent("a2", disk="ssd")])
    assert other.where(ssd) == 0b10
    assert before.renewed(before.agents[:1]).where(ssd) == 0b1
