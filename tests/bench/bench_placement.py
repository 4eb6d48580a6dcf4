"""Placement alone: its speed on large clusters, how it grows, what it says of what does not fit, how well it packs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from random import Random

from placement.agent import Agent
from placement.cluster import Cluster
from placement.cluster_snapshot import ClusterSnapshot
from placement.engine import Result, place
from placement.explain import explain
from placement.occupancy import Occupancy
from placement.request import Request
from specs.ids import AgentId, VersionId, group_id
from specs.model.constraints import Constraint, Neighbour, Rules, Selector, Spread, Strategy
from specs.model.operators import Operator
from specs.model.resources import PortRanges, Resources
from tests.bench.report import Bench, Row

RACKS, ZONES = 50, 3
LARGE = Resources(cpus_milli=64_000, mem_mib=262_144)
RULED = Rules(
    constraints=(
        Constraint(operator=Operator.GROUP_BY, field="rack"),
        Constraint(operator=Operator.LIKE, field="zone", values=("z[01]",)),
        Constraint(operator=Operator.MAX_PER, field="hostname", values=("2",)),
    )
)
TINY = Resources(cpus_milli=1, mem_mib=1)
DOUBLED_AT_MOST = 2.6
"""Times the seconds for twice as much: 2 where it grows straight, 4 where it grows with the square."""
REPEATS = 3
NEEDS = ((100, 128), (200, 256), (500, 512), (1000, 256), (250, 1024))
"""Thousandths of a cpu and MiB, by turns."""


def agents(count: int, free: Sequence[Resources] = (LARGE,)) -> list[Agent]:
    """Agents in racks and zones by turns, with what is free by turns."""
    return [
        Agent(
            id=AgentId(f"a{number:05}"),
            hostname=f"h{number:05}",
            attributes=(("rack", f"r{number % RACKS}"), ("zone", f"z{number % ZONES}")),
            total=LARGE,
            free=free[number % len(free)],
        )
        for number in range(count)
    ]


def picture(known: Sequence[Agent]) -> ClusterSnapshot:
    """A snapshot in which each agent offers what it has free."""
    return ClusterSnapshot(
        cluster=Cluster(known), free={agent.id: agent.free for agent in known if agent.free is not None}
    )


def group(number: int, slots: int, need: Resources, rules: Rules = RULED) -> Request:
    """A number of slots of one group."""
    return Request(
        group=group_id("bench", f"g{number}"),
        version=VersionId("v"),
        slots=tuple(range(slots)),
        instances=slots,
        resources=need,
        rules=rules,
    )


def groups(count: int, slots: int, rules: Rules = RULED) -> list[Request]:
    """Groups with different needs."""
    needs = [Resources(cpus_milli=cpus, mem_mib=mem) for cpus, mem in NEEDS]
    return [group(number, slots, needs[number % len(needs)], rules) for number in range(count)]


def quickest(once: Callable[[], Result], placed: int | None = None) -> float:
    """Seconds of the best of some runs; raises RuntimeError where another number of slots was placed."""
    best = float("inf")
    for _ in range(REPEATS):
        begin = time.perf_counter()
        result = once()
        best = min(best, time.perf_counter() - begin)
        if placed is not None and len(result.placements) != placed:
            raise RuntimeError(f"wanted {placed} placements, got {len(result.placements)}")
    return best


def run(is_quick: bool) -> list[Row]:
    """All of it."""
    return [*speed(is_quick), *growth(is_quick), *one_agent(is_quick), *nothing_fits(is_quick), *quality(is_quick)]


# ---- speed and growth ---------------------------------------------------------------


def speed(is_quick: bool) -> list[Row]:
    """Placements a second, with rules and without."""
    rows = []
    slots = 20 if is_quick else 200
    for count, aim in ((1_000, 30_000), (10_000, 10_000)):
        known, asked = agents(count), groups(50, slots)
        total = 50 * slots
        cold = quickest(partial(_cold, asked, known), total)
        snapshot = picture(known)
        warm = quickest(partial(place, asked, snapshot, seed=1), total)
        name = f"50 groups × {slots} with GROUP_BY, LIKE and MAX_PER on {count:,} agents"
        rows.append(Row(name=f"{name}: agents seen for the first time", figure=total / cold, unit="placements/s"))
        rows.append(Row(name=f"{name}: known agents", figure=total / warm, unit="placements/s", at_least=aim))
    for count in (1_000, 10_000):
        snapshot = picture(agents(count))
        asked, total = groups(1, 50 * slots, Rules()), 50 * slots
        seconds = quickest(partial(place, asked, snapshot, seed=1), total)
        name = f"{total:,} slots of one group without rules on {count:,} agents"
        rows.append(Row(name=name, figure=total / seconds, unit="placements/s"))
    return rows


def _cold(asked: Sequence[Request], known: Sequence[Agent]) -> Result:
    return place(asked, picture(known), seed=1)


def growth(is_quick: bool) -> list[Row]:
    """Microseconds per placement by agents, by requests, by groups; the ratio is to the first of each."""
    sizes = (
        ("agents", ((100, 50, 2), (1_000, 50, 2), (10_000, 50, 2))),
        ("slots", ((10_000, 50, 20), (10_000, 50, 60), (10_000, 50, 200))),
        ("groups", ((10_000, 10, 200), (10_000, 100, 20), (10_000, 1_000, 2))),
    )
    rows = []
    for what, cases in sizes[:1] if is_quick else sizes:
        first = 0.0
        for count, number, slots in cases:
            snapshot, asked = picture(agents(count)), groups(number, slots)
            seconds = quickest(partial(place, asked, snapshot, seed=1), number * slots)
            each = seconds / (number * slots) * 1e6
            first = first or each
            # Ten times the slots at the same price each; with the agents sets grow, with the groups what each begins.
            aim = 1.2 if what == "slots" else None
            rows.append(
                Row(
                    name=f"by {what}: {number:,} groups × {slots} on {count:,} agents",
                    figure=each,
                    unit="µs each",
                    ratio=each / first,
                    at_most=aim,
                )
            )
    return rows


def one_agent(is_quick: bool) -> list[Row]:
    """One group on one agent, and groups that keep apart from all others: the time for twice as much to that before."""
    rows: list[Row] = []
    sizes = (1_000, 2_000) if is_quick else (4_000, 8_000, 16_000)
    has = Resources(cpus_milli=1_000_000, mem_mib=1_000_000, ports=PortRanges.of([(1_000, 60_000)]))
    host = _agent(0, has)
    for what, ports in (("without ports", ()), ("with a port each", (None,))):
        rows += _doubling(f"slots of one group on one agent, {what}", sizes, partial(_one_group, host, ports))
    apart = Rules(apart=(Neighbour(to=Selector(stack="*", service="*")),))
    rows += _doubling('groups × 1 with apart: "*/*"', tuple(size // 8 for size in sizes), partial(_all_apart, apart))
    return rows


def _one_group(host: Agent, ports: tuple[int | None, ...], count: int) -> tuple[list[Request], ClusterSnapshot]:
    return [replace(group(0, count, TINY, Rules()), host_ports=ports)], picture([host])


def _all_apart(rules: Rules, count: int) -> tuple[list[Request], ClusterSnapshot]:
    asked = [group(number, 1, TINY, rules) for number in range(count)]
    kept = tuple((each.group, rule) for each in asked for rule in rules.apart)
    return asked, replace(picture(agents(count)), occupancy=Occupancy(apart=kept))


def _doubling(
    what: str, sizes: Sequence[int], make: Callable[[int], tuple[list[Request], ClusterSnapshot]]
) -> Iterator[Row]:
    before = 0.0
    for size in sizes:
        asked, snapshot = make(size)
        seconds = quickest(partial(place, asked, snapshot, seed=1), size)
        aim = DOUBLED_AT_MOST if before else None
        ratio = seconds / before if before else None
        yield Row(name=f"{size:,} {what}", figure=seconds, unit="s", ratio=ratio, at_most=aim)
        before = seconds


# ---- what does not fit --------------------------------------------------------------


def nothing_fits(is_quick: bool) -> list[Row]:
    """Requests of which none fits: the answer, the sentences, and the explanation of one with its cures."""
    random = Random(3)
    free = [Resources(cpus_milli=random.randrange(2_000), mem_mib=random.randrange(100, 1_000)) for _ in range(997)]
    snapshot = picture(agents(1_000 if is_quick else 10_000, free))
    rows = []
    for count, slots in ((1_000, 1), (50, 20)):
        for what, asked in (
            ("too few cpus", [_wanting(each, slots, 2_500 + each, 200 + each) for each in range(count)]),
            ("no agent that is LIKE it", [_elsewhere(each, slots) for each in range(count)]),
            (
                "where cpus are there is no memory",
                [_wanting(each, slots, 1_990, 995 - each % 5) for each in range(count)],
            ),
        ):
            name = f"{count:,} groups × {slots}, {what}"
            answered = quickest(partial(place, asked, snapshot, seed=1), 0)
            result = place(asked, snapshot, seed=1)
            begin = time.perf_counter()
            told = [refused.sentence() for refused in result.refusals.values()]
            sentences = time.perf_counter() - begin
            begin = time.perf_counter()
            explanation = explain(asked[0], snapshot)
            explained = time.perf_counter() - begin
            if len(told) != count or explanation.refused is None:
                raise RuntimeError(f"wanted {count} refusals, got {len(told)}")
            rows.append(Row(name=f"{name}: answered", figure=answered * 1e3, unit="ms", at_most=100))
            rows.append(Row(name=f"{name}: all in a sentence", figure=sentences * 1e3, unit="ms", at_most=1_000))
            rows.append(Row(name=f"{name}: one explained", figure=explained * 1e3, unit="ms", at_most=1_000))
    return rows


def _wanting(number: int, slots: int, cpus_milli: int, mem_mib: int) -> Request:
    return group(number, slots, Resources(cpus_milli=cpus_milli, mem_mib=mem_mib), Rules())


def _elsewhere(number: int, slots: int) -> Request:
    nowhere = Constraint(operator=Operator.LIKE, field="zone", values=(f"nowhere{number}",))
    return group(number, slots, Resources(cpus_milli=100, mem_mib=64), Rules(constraints=(nowhere,)))


# ---- quality ------------------------------------------------------------------------


def quality(is_quick: bool) -> list[Row]:
    """Agents used when packing, against what the sums would need; and the worst skew of even groups."""
    rows = []
    for kind in ("cpus and memory alike", "cpus or memory", "anything"):
        shares = [packed(kind, seed) for seed in range(2 if is_quick else 10)]
        rows.append(
            Row(
                name=f"packing {kind}: agents used to the lower bound, worst of {len(shares)} seeds",
                figure=max(shares),
                unit="times",
                at_most=1.05,
            )
        )
    skews = [skew(seed) for seed in range(2 if is_quick else 10)]
    rows.append(
        Row(
            name=f"skew of GROUP_BY and SPREAD over {RACKS} racks, worst of {len(skews)} seeds",
            figure=max(skews),
            unit="tasks",
            at_most=1,
        )
    )
    return rows


def _agent(number: int, has: Resources, attributes: tuple[tuple[str, str], ...] = ()) -> Agent:
    return Agent(id=AgentId(f"a{number:04}"), hostname=f"h{number:04}", attributes=attributes, total=has, free=has)


def packed(kind: str, seed: int) -> float:
    """Agents used by a seeded workload of groups that are packed, divided by the fewest that its sums need."""
    random = Random(seed)
    has = Resources(cpus_milli=16_000, mem_mib=65_536)
    known = [_agent(number, has) for number in range(1_000)]
    asked = []
    for number in range(40):
        cpus = random.choice([100, 250, 500, 1_000, 1_500, 2_000])
        mem = random.choice([256, 512, 1_024, 2_048, 4_096, 6_000])
        if kind == "cpus and memory alike":
            mem = cpus * 4
        elif kind == "cpus or memory":
            cpus, mem = (cpus, 64) if number % 2 else (50, mem)
        need = Resources(cpus_milli=cpus, mem_mib=mem)
        asked.append(group(number, random.randint(20, 120), need, Rules(strategy=Strategy.PACK)))
    result = place(asked, picture(known), seed=seed)
    if result.refusals:
        raise RuntimeError(f"wanted all placed, got {len(result.refusals)} groups refused")
    cpus = sum(each.resources.cpus_milli * len(each.slots) for each in asked)
    mem = sum(each.resources.mem_mib * len(each.slots) for each in asked)
    fewest = max(-(-cpus // has.cpus_milli), -(-mem // has.mem_mib))
    return len({placement.agent_id for placement in result.placements}) / fewest


def skew(seed: int) -> int:
    """The most that the racks of a group differ, of seeded groups that are to be even over racks of different sizes."""
    random = Random(seed)
    known = [
        _agent(number, LARGE, (("rack", f"r{rack}"),))
        for number, rack in enumerate([*range(RACKS), *(random.randrange(RACKS) for _ in range(450))])
    ]
    even = (
        Rules(constraints=(Constraint(operator=Operator.GROUP_BY, field="rack"),)),
        Rules(spread=(Spread(over="rack"),)),
        Rules(spread=(Spread(over="rack", weight=10),), strategy=Strategy.PACK),
    )
    asked = [
        group(number, random.randint(1, 300), Resources(cpus_milli=100, mem_mib=64), even[number % len(even)])
        for number in range(30)
    ]
    snapshot = picture(known)
    counts = {each.group: dict.fromkeys(range(RACKS), 0) for each in asked}
    rack_of = {agent.id: int(dict(agent.attributes)["rack"][1:]) for agent in known}
    for placement in place(asked, snapshot, seed=seed).placements:
        counts[placement.group][rack_of[placement.agent_id]] += 1
    return max(max(each.values()) - min(each.values()) for each in counts.values())


BENCH = Bench(
    name="placement",
    title="Placement alone",
    method=(
        f"One call of place() in one process, on agents in {RACKS} racks and {ZONES} zones; the best of {REPEATS} runs,"
        " with the garbage collector as it is. Known agents are those of which the call before has found out who meets"
        " which rule, as in a scheduler that runs; so is what does not fit. The lower bound of packing"
        " is what the sums of cpus and memory need."
    ),
    run=run,
    limit_seconds=600,
)
