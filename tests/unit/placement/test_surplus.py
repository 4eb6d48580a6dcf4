"""The slots that a scale-down ends."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as some

from placement.agent import Agent
from placement.cluster import Cluster
from placement.surplus import Filled, Worth, slots_to_drop
from specs.ids import AgentId
from specs.model.constraints import Constraint, Rules, Spread
from specs.model.operators import Operator
from specs.model.stack import KillOrder

RACKS = ("a", "a", "b", "b", "c", "c")
CLUSTER = Cluster(
    Agent(
        id=AgentId(f"agent-{number}"),
        hostname=f"agent{number}",
        zone="east" if rack == "c" else "west",
        attributes=(("rack", rack),),
    )
    for number, rack in enumerate(RACKS)
)
BY_RACK = Rules(spread=(Spread(over="rack"),))


def ready(slot: int, agent: int) -> Filled:
    return Filled(slot=slot, worth=Worth.READY, agent_id=AgentId(f"agent-{agent}"))


def on(*agents: int) -> list[Filled]:
    """Ready slots 0, 1, ... on these agents."""
    return [ready(slot, agent) for slot, agent in enumerate(agents)]


def unique(field: str = "hostname") -> Constraint:
    return Constraint(operator=Operator.UNIQUE, field=field)


@pytest.mark.parametrize(
    ("slots", "count", "rules", "gone"),
    [
        (on(0, 1, 2), 0, Rules(), ()),
        (on(0, 1, 2), 1, Rules(), (2,)),
        (on(0, 1, 2), 9, Rules(), (0, 1, 2)),
        ([*on(0, 1), Filled(slot=9, worth=Worth.FINISHED)], 2, Rules(), (0, 1)),
        ([Filled(slot=0, worth=Worth.STAGING, agent_id=AgentId("agent-0")), *on(1, 2, 3)[1:]], 1, Rules(), (0,)),
        ([ready(0, 0), Filled(slot=1, worth=Worth.EMPTY), ready(2, 0)], 1, Rules(), (1,)),
        (on(0, 1, 2, 4), 1, BY_RACK, (1,)),
        (on(0, 1, 2, 3, 4, 5), 3, BY_RACK, (1, 3, 5)),
        (on(0, 0, 2, 3, 4, 5), 1, Rules(constraints=(unique(),)), (1,)),
        (on(0, 0, 2, 3, 2, 3), 2, Rules(constraints=(unique(),), spread=BY_RACK.spread), (4, 5)),
        (on(0, 1, 2, 4), 1, Rules(constraints=(Constraint(operator=Operator.GROUP_BY, field="rack"),)), (1,)),
        (
            on(0, 1, 2, 3, 4, 5),
            1,
            Rules(spread=(Spread(over="@zone"), Spread(over="rack", within=("@zone",)))),
            (3,),
        ),
        (on(0, 0, 1, 4), 1, Rules(spread=(Spread(over="@zone", targets=(("west", 50), ("*", 50))),)), (2,)),
        (on(0, 1, 4, 5), 1, Rules(spread=(Spread(over="rack", targets=(("a", 100),)),)), (3,)),
        ([ready(0, 0), ready(1, 77), ready(2, 2)], 1, BY_RACK, (2,)),
    ],
    ids=[
        *("none", "the highest", "all", "finished last", "unready first", "empty first", "fullest rack", "every rack"),
        *("unique first", "unique before spread", "group by", "outer before inner", "targets", "not a target"),
        "an agent that is not known",
    ],
)
def test_given_up(slots: list[Filled], count: int, rules: Rules, gone: tuple[int, ...]) -> None:
    assert slots_to_drop(slots, count, rules, CLUSTER) == gone
    assert slots_to_drop(slots[::-1], count, rules, CLUSTER) == gone


def aged(slot: int, since: float, worth: Worth = Worth.READY, agent: int = 0) -> Filled:
    return Filled(slot=slot, worth=worth, agent_id=AgentId(f"agent-{agent}"), since=since)


@pytest.mark.parametrize(
    ("slots", "count", "youngest", "oldest"),
    [
        ([aged(0, 30), aged(1, 10), aged(2, 20)], 1, (0,), (1,)),
        ([aged(0, 30), aged(1, 10), aged(2, 20)], 2, (0, 2), (1, 2)),
        ([aged(0, 10), aged(1, 10)], 1, (1,), (1,)),
        ([aged(0, 10, agent=0), aged(1, 20, agent=1), aged(2, 99, agent=2)], 1, (1,), (0,)),
        (
            [
                aged(0, 4, Worth.READY),
                aged(1, 3, Worth.STAGING),
                aged(2, 2, Worth.UNREACHABLE),
                aged(3, 1, Worth.UNHEALTHY),
            ],
            3,
            (1, 2, 3),
            (1, 2, 3),
        ),
        ([aged(0, 9, Worth.UNREACHABLE), aged(1, 1, Worth.UNHEALTHY)], 1, (1,), (1,)),
        ([aged(0, 9, Worth.STAGING), aged(1, 1, Worth.UNREACHABLE)], 1, (1,), (1,)),
    ],
    ids=["age", "twice", "no difference", "even before age", "worth before age", "unhealthy first", "then unreachable"],
)
def test_age_decides_among_equals(
    slots: list[Filled], count: int, youngest: tuple[int, ...], oldest: tuple[int, ...]
) -> None:
    for given_slots in (slots, slots[::-1]):
        assert slots_to_drop(given_slots, count, BY_RACK, CLUSTER) == youngest
        assert slots_to_drop(given_slots, count, BY_RACK, CLUSTER, KillOrder.OLDEST) == oldest


@given(agents=some.lists(some.integers(0, 5), min_size=1, max_size=30), data=some.data())
def test_what_is_left_is_as_even_as_it_can_be(agents: list[int], data: some.DataObject) -> None:
    count = data.draw(some.integers(0, len(agents)))
    rules = data.draw(
        some.sampled_from([BY_RACK, Rules(constraints=(Constraint(operator=Operator.GROUP_BY, field="rack"),))])
    )
    slots = on(*agents)
    gone = slots_to_drop(slots, count, rules, CLUSTER)
    assert len(gone) == len(set(gone)) == count
    before = Counter(RACKS[agent] for agent in agents)
    after = before - Counter(RACKS[agents[slot]] for slot in gone)
    most = max(after.values(), default=0)
    for rack in before:
        # A rack that has less than the fullest by more than one has lost nothing.
        assert after[rack] >= most - 1 or after[rack] == before[rack]


@given(agents=some.lists(some.integers(0, 5), min_size=1, max_size=30), data=some.data())
def test_with_a_limit_no_more_break_it_than_must(agents: list[int], data: some.DataObject) -> None:
    count = data.draw(some.integers(0, len(agents)))
    gone = slots_to_drop(on(*agents), count, Rules(constraints=(unique(),)), CLUSTER)
    left = Counter(agent for slot, agent in enumerate(agents) if slot not in gone)
    breaking = sum(tasks - 1 for tasks in Counter(agents).values())
    assert sum(tasks - 1 for tasks in left.values()) == max(breaking - count, 0)


def test_ten_thousand_slots_of_a_nested_spread_take_no_time_to_speak_of() -> None:
    agents = [
        Agent(
            id=AgentId(f"agent-{number}"),
            hostname=f"h{number}",
            zone=f"z{number % 3}",
            attributes=(("rack", f"r{number % 48}"),),
        )
        for number in range(1000)
    ]
    rules = Rules(spread=(Spread(over="@zone"), Spread(over="rack", within=("@zone",)), Spread(over="hostname")))
    gone = slots_to_drop([ready(slot, slot % 1000) for slot in range(10_000)], 100, rules, Cluster(agents))
    assert len(gone) == 100
