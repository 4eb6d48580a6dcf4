"""Resources taken out of each reservation pool, and the rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from placement.offer import ReservationPool
from placement.reservation_pools import common, draw
from specs.model.resources import PortRanges, Resources

FREE = ReservationPool(resources=Resources(cpus_milli=2000, mem_mib=512, ports=PortRanges.of([(31000, 31009)])))
TEAM = ReservationPool(
    reservation='[{"role":"team"}]',
    resources=Resources(
        cpus_milli=500,
        mem_mib=256,
        ports=PortRanges.of([(80, 80)]),
        scalars=(("tokens", 3000),),
        sets=(("keys", ("a", "b")),),
    ),
)
REST = ReservationPool(reservation='[{"role":"team"},{"role":"team/web"}]', resources=Resources(cpus_milli=100, gpus=1))


def test_what_is_reserved_is_used_up_first() -> None:
    taken, left = draw((FREE, TEAM, REST), Resources(cpus_milli=1000, mem_mib=64))
    assert taken == (
        ReservationPool(resources=Resources(cpus_milli=400)),
        ReservationPool(reservation=TEAM.reservation, resources=Resources(cpus_milli=500, mem_mib=64)),
        ReservationPool(reservation=REST.reservation, resources=Resources(cpus_milli=100)),
    )
    assert [pool.resources.cpus_milli for pool in left] == [1600, 0, 0]
    assert [pool.resources.mem_mib for pool in left] == [512, 192, 0]


def test_ports_and_items_come_from_the_pool_that_has_them() -> None:
    want = Resources(ports=PortRanges.single([80, 31003]), scalars=(("tokens", 1500),), sets=(("keys", ("b",)),))
    taken, left = draw((FREE, TEAM), want)
    assert taken == (
        ReservationPool(resources=Resources(ports=PortRanges.single([31003]))),
        ReservationPool(
            reservation=TEAM.reservation,
            resources=Resources(ports=PortRanges.single([80]), scalars=(("tokens", 1500),), sets=(("keys", ("b",)),)),
        ),
    )
    assert left[1].resources.sets == (("keys", ("a",)),)
    assert left[1].resources.scalars == (("tokens", 1500),)


def test_nothing_is_taken_where_nothing_is_wanted() -> None:
    assert draw((FREE, TEAM), Resources()) == ((), (FREE, TEAM))


@pytest.mark.parametrize(
    "want",
    [
        Resources(cpus_milli=2501),
        Resources(gpus=1),
        Resources(ports=PortRanges.single([81])),
        Resources(scalars=(("tokens", 3001),)),
        Resources(scalars=(("other", 1),)),
        Resources(sets=(("keys", ("c",)),)),
    ],
)
def test_more_than_there_is_cannot_be_taken(want: Resources) -> None:
    with pytest.raises(ValueError, match=r"out of 2 pools, got all but .*more is taken than there is"):
        draw((FREE, TEAM), want)


def test_what_two_have_in_common() -> None:
    assert common(FREE.resources, TEAM.resources) == Resources(cpus_milli=500, mem_mib=256)


amount = st.integers(0, 5)


@st.composite
def pools_and_want(draw_one: st.DrawFn) -> tuple[list[ReservationPool], Resources]:
    """Pools that share no port and no item, and something of them."""
    pools, want = [], Resources()
    for number in range(draw_one(st.integers(1, 4))):
        ports = draw_one(st.lists(st.integers(10 * number, 10 * number + 9), max_size=4))
        items = draw_one(st.lists(st.sampled_from([f"{number}a", f"{number}b", f"{number}c"]), max_size=3, unique=True))
        tokens = draw_one(amount)
        has = Resources(
            cpus_milli=draw_one(amount),
            mem_mib=draw_one(amount),
            disk_mib=draw_one(amount),
            gpus=draw_one(amount),
            ports=PortRanges.single(ports),
            scalars=(("tokens", tokens),) if tokens else (),
            sets=(("keys", tuple(sorted(items))),) if items else (),
        )
        wanted_items = sorted(draw_one(st.sets(st.sampled_from(items)))) if items else []
        want += Resources(
            cpus_milli=draw_one(st.integers(0, has.cpus_milli)),
            mem_mib=draw_one(st.integers(0, has.mem_mib)),
            gpus=draw_one(st.integers(0, has.gpus)),
            ports=PortRanges.single(draw_one(st.sets(st.sampled_from(ports))) if ports else ()),
            scalars=(("tokens", draw_one(st.integers(1, tokens))),) if tokens else (),
            sets=(("keys", tuple(wanted_items)),) if wanted_items else (),
        )
        pools.append(ReservationPool(reservation="" if number == 0 else f"r{number}", resources=has))
    return pools, want


@given(pools_and_want())
def test_nothing_is_lost_and_nothing_made(case: tuple[list[ReservationPool], Resources]) -> None:
    pools, want = case
    taken, left = draw(pools, want)
    total = Resources()
    for pool in taken:
        total += pool.resources
    assert total == want
    parts = {pool.reservation: pool.resources for pool in taken}
    for before, after in zip(pools, left, strict=True):
        assert after.resources + parts.get(before.reservation, Resources()) == before.resources
    if parts.get("", Resources()).cpus_milli:
        assert all(pool.resources.cpus_milli == 0 for pool in left if pool.reservation)
