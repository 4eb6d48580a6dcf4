"""place() never overspends, breaks no hard rule, explains all that it left, and depends on no order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from random import Random
from typing import TypeVar
from unittest import mock

from hypothesis import given
from hypothesis import strategies as some

from placement.agent import Agent
from placement.cluster import Cluster
from placement.engine import Result, eligible, place
from placement.request import Overhead, Request, Tenants
from placement.situation import Situation
from specs.constraints import (
    Constraint,
    Counted,
    GroupByMode,
    Neighbour,
    Operator,
    Preference,
    Rules,
    Selector,
    Spread,
    Strategy,
)
from specs.ids import AgentId, GroupId, group_id
from specs.resources import PortRanges, Resources
from tests.kit.cluster_of import NEW, OLD, racks, request, situation
from tests.kit.placement_reference import World

Key = TypeVar("Key")
Value = TypeVar("Value")
FIELDS = ("hostname", "rack", "zone", "@region", "@gpus", "dedicated", "@id")
BASE = group_id("s", "base")
GROUPS = (BASE, group_id("s", "web", ["prod"]), group_id("s", "web", ["dev"]), group_id("t", "job"))

# ---- what there is ------------------------------------------------------------------

ports = some.builds(
    lambda first, count: PortRanges.of([(first, first + count - 1)]), some.integers(1000, 1004), some.integers(0, 6)
)
items = some.lists(some.sampled_from("abcd"), max_size=4, unique=True).map(lambda each: tuple(sorted(each)))
rooms = some.builds(
    lambda cpus, mem, disk, gpus, ports, tokens, keys: Resources(
        cpus_milli=cpus,
        mem_mib=mem,
        disk_mib=disk,
        gpus=gpus,
        ports=ports,
        scalars=(("tokens", tokens),) if tokens else (),
        sets=(("keys", keys),) if keys else (),
    ),
    *(some.integers(0, 4).map(lambda each: each * 100) for _ in range(3)),
    some.sampled_from([0, 0, 0, 2]),
    ports,
    some.integers(0, 3).map(lambda each: each * 1000),
    items,
)


@some.composite
def agents(draw: some.DrawFn) -> list[Agent]:
    found = []
    for number in range(draw(some.integers(0, 7))):
        attributes = {
            "rack": draw(some.sampled_from(["r1", "r2", "r3", ""])),
            "zone": draw(some.sampled_from(["z1", "z2", ""])),
            "dedicated": draw(some.sampled_from(["", "", "", "db"])),
        }
        has = draw(rooms)
        found.append(
            Agent(
                id=AgentId(f"a{number}"),
                hostname=f"h{draw(some.sampled_from([number, number, 0]))}",
                region=draw(some.sampled_from(["", "home", "home", "far"])),
                attributes=tuple((name, text) for name, text in sorted(attributes.items()) if text),
                total=draw(some.sampled_from([has, has, has + has, None])),
                free=draw(some.sampled_from([has, None])),
            )
        )
    return found


# ---- what is wanted -----------------------------------------------------------------

wants = some.builds(
    lambda cpus, mem, gpus, tokens, count, keys: Resources(
        cpus_milli=cpus,
        mem_mib=mem,
        gpus=gpus,
        scalars=tuple(pair for pair in (("keys", count * 500), ("tokens", tokens * 1000)) if pair[1]),
        sets=(("keys", keys),) if keys else (),
    ),
    *(some.sampled_from([0, 50, 100, 150, 300]) for _ in range(2)),
    some.sampled_from([0, 0, 0, 0, 1]),
    some.sampled_from([0, 0, 0, 1]),
    some.sampled_from([0, 0, 0, 1, 3]),
    some.sampled_from([(), (), (), ("a",), ("a", "c")]),
)
fields = some.sampled_from(FIELDS)
values = some.sampled_from(["r1", "r2", "z1", "h0", "home", "0", "db", "a1"])
counted = some.sampled_from(list(Counted))
leaves = some.one_of(
    some.builds(Constraint, operator=some.just(Operator.UNIQUE), field=fields, counts=counted),
    some.builds(
        Constraint,
        operator=some.just(Operator.MAX_PER),
        field=fields,
        values=some.sampled_from([("1",), ("2",)]),
        counts=counted,
    ),
    some.builds(
        Constraint,
        operator=some.just(Operator.GROUP_BY),
        field=fields,
        values=some.sampled_from([(), ("1",), ("2",), ("5",)]),
        mode=some.sampled_from(list(GroupByMode)),
        counts=counted,
    ),
    some.builds(Constraint, operator=some.just(Operator.CLUSTER), field=fields, counts=counted),
    some.builds(
        Constraint,
        operator=some.sampled_from([Operator.LIKE, Operator.UNLIKE, Operator.EQUAL, Operator.NOT_EQUAL, Operator.IN]),
        field=fields,
        values=values.map(lambda each: (each,)),
    ),
    some.builds(Constraint, operator=some.sampled_from([Operator.IS_SET, Operator.IS_NOT_SET]), field=fields),
)
combinations = some.one_of(
    some.builds(
        Constraint,
        operator=some.sampled_from([Operator.ANY, Operator.ALL]),
        parts=some.lists(leaves, min_size=1, max_size=3).map(tuple),
    ),
    some.builds(Constraint, operator=some.just(Operator.NOT), parts=leaves.map(lambda each: (each,))),
)
spreads = some.builds(
    Spread,
    over=some.sampled_from(["rack", "zone", "hostname"]),
    within=some.sampled_from([(), (), ("zone",), ("zone", "rack")]),
    max_skew=some.integers(1, 2),
    min_domains=some.sampled_from([0, 0, 3]),
    targets=some.sampled_from([(), (), (("r1", 70), ("*", 30))]),
    weight=some.sampled_from([0, 0, 10]),
)
neighbours = some.builds(
    Neighbour,
    to=some.builds(
        Selector,
        stack=some.sampled_from(["", "s", "*"]),
        service=some.sampled_from(["base", "web", "w*", "*"]),
        labels=some.sampled_from([(), ("dev",)]),
    ),
    field=some.sampled_from(["hostname", "rack"]),
    weight=some.sampled_from([0, 0, 20]),
)
to_base = neighbours.map(lambda each: replace(each, to=Selector(stack="s", service="base")))
plain = leaves.filter(lambda each: not each.is_counting)


@some.composite
def rules(draw: some.DrawFn, group: GroupId) -> Rules:
    """Mostly few. Only `base` is wanted near, and is near nobody, so that it is clear who waits for whom."""
    return Rules(
        constraints=tuple(draw(some.lists(leaves | combinations, max_size=2))),
        spread=tuple(draw(some.lists(spreads, max_size=1))),
        near=() if group == BASE else tuple(draw(some.lists(to_base, max_size=1))),
        apart=tuple(draw(some.lists(neighbours, max_size=1))),
        prefer=tuple(draw(some.lists(some.builds(Preference, rule=plain, weight=some.integers(-9, 9)), max_size=2))),
        strategy=draw(some.sampled_from(list(Strategy))),
    )


@some.composite
def requests(draw: some.DrawFn) -> list[Request]:
    found = []
    for group in draw(some.lists(some.sampled_from(GROUPS), min_size=1, max_size=4, unique=True)):
        asked = draw(rules(group))
        slots = draw(some.lists(some.integers(0, 9), min_size=1, max_size=7, unique=True))
        ids = some.sampled_from([AgentId(f"a{number}") for number in range(8)])
        by_slot = some.dictionaries(some.sampled_from(slots), ids, max_size=2)
        # What a slot may do changes only while others of its group are placed if the group is to be spread.
        is_still = not asked.spread and not any(rule.is_counting for rule in asked.constraints)
        found.append(
            Request(
                group=group,
                version=NEW,
                slots=tuple(slots),
                instances=len(slots) + draw(some.integers(0, 3)),
                resources=draw(wants),
                host_ports=tuple(
                    draw(
                        some.lists(
                            some.none() | some.integers(1000, 1006), max_size=2, unique_by=lambda port: port or object()
                        )
                    )
                ),
                rules=asked,
                pins=draw(by_slot) if is_still else {},
                homes=draw(by_slot),
                penalties=draw(some.dictionaries(ids, some.integers(0, 30), max_size=2)),
            )
        )
    return found


@some.composite
def cases(draw: some.DrawFn) -> tuple[list[Request], Situation]:
    known, asked = draw(agents()), draw(requests())
    ids = [agent.id for agent in known]
    counts = {}
    for group in draw(some.lists(some.sampled_from(GROUPS), max_size=2, unique=True)):
        numbers = some.dictionaries(some.sampled_from([NEW, OLD]), some.integers(1, 2), min_size=1)
        counts[group] = draw(some.dictionaries(some.sampled_from([*ids, AgentId("gone")]), numbers, max_size=3))
    room = {
        agent.id: draw(rooms) if agent.total is None else agent.total
        for agent in known
        if draw(some.sampled_from([True, True, True, False]))
    }
    some_ids = some.lists(some.sampled_from(ids), max_size=2) if ids else some.just([])
    picture = Situation(
        cluster=Cluster(known),
        room=room,
        tenants=Tenants(
            counts=counts,
            apart=tuple((each.group, rule) for each in asked for rule in each.rules.apart if not rule.weight),
        ),
        overhead=Overhead(
            resources=draw(some.sampled_from([Resources(), Resources(cpus_milli=100, mem_mib=50)])),
            present=frozenset(draw(some_ids)),
        ),
        unavailable=dict.fromkeys(draw(some_ids), "is draining"),
        region=draw(some.sampled_from(["", "home"])),
    )
    return asked, picture


@contextmanager
def as_in_large_clusters(is_large: bool) -> Iterator[None]:
    """The engine looks at few agents one by one, and at many by sets: a small cluster is to see both."""
    if not is_large:
        yield
        return
    with (
        mock.patch("placement.trial._FEW", 0),
        mock.patch("placement.thresholds._STRIDE", 2),
        mock.patch("placement.wishes._MOST_COMBINATIONS", 2),
    ):
        yield


def replay(asked: list[Request], picture: Situation, result: Result) -> World:
    """Every placement is right when it is made, and what is left truly fits nowhere."""
    world = World(picture)
    by_group = {each.group: each for each in asked}
    todo = list(result.placements)
    ends = {placement.group: number for number, placement in enumerate(todo)}
    for number, placement in enumerate(todo):
        wanted = by_group[placement.group]
        assert placement.slot in wanted.slots
        assert world.fits(wanted, placement.agent_id, placement.slot), f"{placement} breaks a rule"
        world.take(wanted, placement)
        if ends[placement.group] == number:
            left = result.refusals.get(placement.group)
            for slot in left.slots if left else ():
                assert not [id for id in world.agents if world.fits(wanted, id, slot)], f"{slot} of {wanted} would fit"
    for group, refused in result.refusals.items():
        if group not in ends:
            for slot in refused.slots:
                assert not [id for id in world.agents if world.fits(by_group[group], id, slot)], f"{slot} would fit"
    return world


# ---- what is promised ---------------------------------------------------------------


@given(case=cases(), seed=some.integers(0, 10**6), is_large=some.booleans())
def test_nothing_is_overspent_no_rule_is_broken_and_all_that_is_left_is_explained(
    case: tuple[list[Request], Situation], seed: int, is_large: bool
) -> None:
    asked, picture = case
    with as_in_large_clusters(is_large):
        result = place(asked, picture, seed=seed)
    replay(asked, picture, result)
    for wanted in asked:
        slots = [placement.slot for placement in result.placements if placement.group == wanted.group]
        refused = result.refusals.get(wanted.group)
        left = refused.slots if refused else ()
        assert sorted([*slots, *left]) == sorted(wanted.slots), "each slot is placed or left, once"
        if refused is None:
            continue
        assert left
        assert refused.agents == picture.cluster.size
        assert sum(reason.count for reason in refused.reasons) == refused.agents
        assert all(reason.count > 0 for reason in refused.reasons)
        assert refused.sentence().startswith(f"0/{refused.agents} agents fit: ")
        assert "together" not in {reason.rule for reason in refused.reasons} or wanted.resources.sets


def shuffled(random: Random, mapping: Mapping[Key, Value]) -> dict[Key, Value]:
    """The same mapping in another order."""
    pairs = list(mapping.items())
    random.shuffle(pairs)
    return dict(pairs)


@given(case=cases(), is_large=some.booleans(), random=some.randoms(use_true_random=False))
def test_no_order_of_the_input_matters(case: tuple[list[Request], Situation], is_large: bool, random: Random) -> None:
    def other(wanted: Request) -> Request:
        slots = list(wanted.slots)
        random.shuffle(slots)
        return replace(
            wanted,
            slots=tuple(slots),
            pins=shuffled(random, wanted.pins),
            homes=shuffled(random, wanted.homes),
            penalties=shuffled(random, wanted.penalties),
        )

    asked, picture = case
    others = [other(wanted) for wanted in asked]
    random.shuffle(others)
    known, apart = list(picture.cluster.agents), list(picture.tenants.apart)
    random.shuffle(known)
    random.shuffle(apart)
    turned = replace(
        picture,
        cluster=Cluster(known),
        room=shuffled(random, picture.room),
        tenants=Tenants(
            counts=shuffled(random, {group: shuffled(random, each) for group, each in picture.tenants.counts.items()}),
            apart=tuple(apart),
        ),
        unavailable=shuffled(random, picture.unavailable),
    )
    with as_in_large_clusters(is_large):
        result = place(asked, picture, seed=1)
        assert place(others, turned, seed=1) == result
        assert place(asked, picture, seed=1) == result, "what the cluster has kept changes nothing"


@given(case=cases())
def test_eligible_agents_are_those_on_which_the_group_could_run(case: tuple[list[Request], Situation]) -> None:
    asked, picture = case
    world = World(picture)
    for wanted in asked:
        could = [agent.id for agent in picture.cluster.agents if world.could_run(wanted, agent)]
        assert list(eligible(wanted, picture)) == could


@given(case=cases(), cut=some.integers(0, 6))
def test_counts_survive_a_restart(case: tuple[list[Request], Situation], cut: int) -> None:
    asked, picture = case
    wanted = asked[0]
    first = replace(wanted, slots=wanted.slots[:cut])
    world = replay([first], picture, place([first], picture, seed=1))
    later = replace(
        picture,
        room=world.room,
        tenants=replace(picture.tenants, counts=world.tasks),
        overhead=replace(picture.overhead, present=frozenset(world.executors)),
    )
    rest = replace(wanted, slots=wanted.slots[cut:])
    replay([rest], later, place([rest], later, seed=2))


@given(
    sizes=some.lists(some.integers(1, 4), min_size=1, max_size=5),
    count=some.integers(1, 20),
    old=some.integers(0, 5),
    rule=some.sampled_from(
        [
            Rules(constraints=(Constraint(operator=Operator.GROUP_BY, field="rack"),)),
            Rules(constraints=(Constraint(operator=Operator.GROUP_BY, field="rack", values=("9",)),)),
            Rules(constraints=(Constraint(operator=Operator.GROUP_BY, field="rack", mode=GroupByMode.QUOTA),)),
            Rules(spread=(Spread(over="rack"),)),
            Rules(spread=(Spread(over="rack", max_skew=2),)),
            Rules(spread=(Spread(over="rack", weight=10),)),
        ]
    ),
    strategy=some.sampled_from(list(Strategy)),
)
def test_the_skew_is_at_most_one_where_it_can_be(
    sizes: list[int], count: int, old: int, rule: Rules, strategy: Strategy
) -> None:
    names = [f"r{number}" for number, size in enumerate(sizes) for _ in range(size)]
    known = racks(*names)
    wanted = request(count, rules=replace(rule, strategy=strategy), instances=count + old)
    # Tasks of before, as even as they come.
    firsts = [names.index(f"r{number}") for number in range(len(sizes))]
    before: dict[str, int] = {}
    for number in range(old):
        id = f"a{firsts[number % len(sizes)]}"
        before[id] = before.get(id, 0) + 1
    picture = situation(known, tasks={wanted.group: before})
    result = place([wanted], picture, seed=1)
    assert len(result.placements) == count
    world = replay([wanted], picture, result)
    counts = world.counts(wanted.group, ("rack",))
    all_counts = [counts.get((f"r{number}",), 0) for number in range(len(sizes))]
    assert max(all_counts) - min(all_counts) <= 1
