"""Taking resources out of pools that are reserved differently."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from placement.offer import ReservationPool
from specs.model.resources import Resources, Scalars, Sets


def draw(
    pools: Sequence[ReservationPool], want: Resources
) -> tuple[tuple[ReservationPool, ...], tuple[ReservationPool, ...]]:
    """(what is taken of which pools, what is left in all of them); both in the order of `pools`.

    Reserved pools are used up first, in their order: nobody else can use them. Amounts may be split over pools; each
    port and each item of a set comes from the pool that has it. Pools of which nothing is taken are not among the
    first. Raises ValueError where the pools do not have it.
    """
    taken: dict[int, Resources] = {}
    rest = want
    for place in sorted(range(len(pools)), key=lambda place: not pools[place].reservation):
        part = common(pools[place].resources, rest)
        if part != Resources():
            taken[place] = part
            rest = rest - part
    if rest != Resources():
        raise ValueError(f"wanted {want} out of {len(pools)} pools, got all but {rest}: more is taken than there is")
    left = tuple(
        replace(pool, resources=pool.resources - taken[place]) if place in taken else pool
        for place, pool in enumerate(pools)
    )
    return tuple(replace(pools[place], resources=taken[place]) for place in sorted(taken)), left


def common(one: Resources, other: Resources) -> Resources:
    """The most that both have: the smaller amounts, and the ports and items that are in both."""
    return Resources(
        cpus_milli=min(one.cpus_milli, other.cpus_milli),
        mem_mib=min(one.mem_mib, other.mem_mib),
        disk_mib=min(one.disk_mib, other.disk_mib),
        gpus=min(one.gpus, other.gpus),
        ports=one.ports - (one.ports - other.ports),
        scalars=_common_scalars(one.scalars, other.scalars),
        sets=_common_sets(one.sets, other.sets),
    )


def _common_scalars(one: Scalars, other: Scalars) -> Scalars:
    amounts = dict(other)
    return tuple((name, min(amount, amounts[name])) for name, amount in one if amounts.get(name))


def _common_sets(one: Sets, other: Sets) -> Sets:
    others = {name: frozenset(items) for name, items in other}
    shared = ((name, tuple(item for item in items if item in others.get(name, ()))) for name, items in one)
    return tuple((name, items) for name, items in shared if items)
