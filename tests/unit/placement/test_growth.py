"""Twice as much to place is twice as much work: counted in steps, not in seconds."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from placement.engine import place
from specs.model.constraints import Constraint, Neighbour, Rules, Selector, Spread, Strategy
from specs.model.operators import Operator
from specs.model.resources import PortRanges, Resources
from tests.kit.cluster_of import agent, group, request, snapshot
from tests.kit.steps import steps

HUGE = Resources(cpus_milli=1_000_000, mem_mib=1_000_000)
TINY = Resources(cpus_milli=1, mem_mib=1)
EVERYBODY = Selector(stack="*", service="*")


def slots_on_one_agent(rules: Rules, count: int) -> Callable[[], object]:
    wanted = request(count, wants=TINY, rules=rules)
    return partial(place, [wanted], snapshot([agent("a0", has=HUGE, rack="r1")]), seed=1)


def groups_on_agents(rules: Callable[[int], Rules], count: int, agents: int | None = None) -> Callable[[], object]:
    """Each group has one slot; there are as many agents as groups unless a number is given."""
    asked = [request(1, of=group(f"s{number}/web"), wants=TINY, rules=rules(number)) for number in range(count)]
    apart = [(each.group, rule) for each in asked for rule in each.rules.apart]
    known = [agent(f"a{number:04}", has=HUGE, rack="r1") for number in range(agents or count)]
    return partial(place, asked, snapshot(known, apart=apart), seed=1)


def growth(make: Callable[[int], Callable[[], object]], count: int) -> float:
    """The work for four times as many, as a multiple; it should be 4."""
    return steps(make(4 * count)) / steps(make(count))


@pytest.mark.parametrize(
    "rules",
    [
        Rules(),
        Rules(strategy=Strategy.PACK),
        Rules(spread=(Spread(over="rack", weight=10),)),
        Rules(constraints=(Constraint(operator=Operator.GROUP_BY, field="rack"),)),
    ],
    ids=["plain", "pack", "spread", "group by"],
)
def test_slots_of_one_group_on_one_agent(rules: Rules) -> None:
    assert growth(partial(slots_on_one_agent, rules), 60) < 4.4


def test_slots_with_a_port_each() -> None:
    def make(count: int) -> Callable[[], object]:
        known = agent("a0", has=Resources(cpus_milli=1000, mem_mib=1000, ports=PortRanges.of([(1000, 60000)])))
        return partial(place, [request(count, wants=TINY, host_ports=(None,))], snapshot([known]), seed=1)

    assert growth(make, 60) < 4.8  # the search among taken ports is one of their logarithm


@pytest.mark.parametrize(
    "neighbour",
    [
        lambda _: Neighbour(to=EVERYBODY),
        lambda _: Neighbour(to=EVERYBODY, field="rack"),
        lambda number: Neighbour(to=Selector(stack=f"s{number + 1}", service="web")),
        lambda number: Neighbour(to=Selector(stack="*", service=f"w{number}")),
    ],
    ids=["from all", "by rack, so that one fits", "each from another stack", "each from another service"],
)
def test_groups_that_keep_apart(neighbour: Callable[[int], Neighbour]) -> None:
    def make(count: int) -> Callable[[], object]:
        return groups_on_agents(lambda number: Rules(apart=(neighbour(number),)), count)

    assert growth(make, 30) < 4.4


def test_groups_that_find_no_agent_apart_from_all() -> None:
    def make(count: int) -> Callable[[], object]:
        return groups_on_agents(lambda _: Rules(apart=(Neighbour(to=EVERYBODY),)), count, agents=5)

    assert growth(make, 30) < 4.4


@pytest.mark.parametrize("to", [EVERYBODY, Selector(stack="*", service="nobody")], ids=["all", "nobody"])
def test_groups_that_want_to_be_near(to: Selector) -> None:
    def make(count: int) -> Callable[[], object]:
        return groups_on_agents(lambda _: Rules(near=(Neighbour(to=to),)), count, agents=5)

    assert growth(make, 30) < 4.4


def test_a_chain_of_groups_each_near_the_next() -> None:
    def make(count: int) -> Callable[[], object]:
        def near(number: int) -> Rules:
            is_last = number == count - 1
            return Rules(near=() if is_last else (Neighbour(to=Selector(stack=f"s{number + 1}")),))

        return groups_on_agents(near, count, agents=5)

    assert growth(make, 30) < 4.4
