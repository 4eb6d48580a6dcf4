"""Mesos's resources: what is ours, what is reserved, what is left."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest

from framework.adapters import mesos_resources
from placement.offer import ReservationPool
from specs.model.resources import PortRanges, Resources
from tests.kit.mesos_samples import items, ports, scalar

STATIC = [{"type": "STATIC", "role": "apps"}]
DYNAMIC = [{"type": "DYNAMIC", "role": "apps", "principal": "p", "labels": {"labels": [{"key": "k", "value": "v"}]}}]
STATIC_TEXT = '[{"role":"apps","type":"STATIC"}]'


def alone(resources: list[dict[str, Any]], role: str = "apps") -> Resources:
    """The unreserved resources, if there are no others."""
    (pool,) = mesos_resources.pools(resources, role)
    assert pool.reservation == ""
    return pool.resources


@pytest.mark.parametrize(
    "more",
    [
        {"reservations": [{"type": "STATIC", "role": "others"}]},
        {"reservations": [{"type": "STATIC", "role": "apps"}, {"type": "DYNAMIC", "role": "apps/below"}]},
        {"reservations": [{"type": "STATIC", "role": "app"}]},
        {"reservation": {"principal": "p"}},
        {"role": "apps"},
        {"revocable": {}},
        {"shared": {}},
        {"provider_id": {"value": "p"}},
        {"disk": {"persistence": {"id": "v"}}},
        {"allocation_info": {"role": "others"}},
    ],
)
def test_what_is_not_for_the_role_does_not_count(more: dict[str, Any]) -> None:
    told = [scalar("disk", 10.0), scalar("disk", 5.0) | more, ports((1, 2)) | more]
    assert alone(told) == Resources(disk_mib=10)


@pytest.mark.parametrize(
    ("value", "milli"), [(0.0005, 0), (0.0015, 2), (0.1, 100), (3.9, 3900), (0.7 + 0.1 + 0.1, 900), (1e4, 10_000_000)]
)
def test_cpus_are_thousandths(value: float, milli: int) -> None:
    assert alone([scalar("cpus", value)]).cpus_milli == milli


@pytest.mark.parametrize("name", ["cpus", "mem", "disk", "gpus", "custom"])
def test_an_amount_without_end_is_a_large_one(name: str) -> None:
    found = alone([scalar(name, 1e308)])
    assert max(found.cpus_milli, found.mem_mib, found.disk_mib, found.gpus, *dict(found.scalars).values()) < 1 << 60


def test_memory_is_summed_before_it_is_cut() -> None:
    assert alone([scalar("mem", 1.5), scalar("mem", 1.5)]).mem_mib == 3
    assert alone([scalar("mem", 1023.999)]).mem_mib == 1023


def test_custom_resources_are_scalars_and_sets() -> None:
    told = [scalar("tokens", 7.5), scalar("tokens", 0.5), scalar("none", 0.0), items("fpga", "b", "a"), items("no")]
    assert alone(told) == Resources(scalars=(("tokens", 8000),), sets=(("fpga", ("a", "b")),))


def test_ranges_other_than_ports_are_left_out() -> None:
    assert alone([ports((1, 2)) | {"name": "vlans"}]) == Resources()


def test_each_reservation_is_a_pool() -> None:
    told = [
        scalar("cpus", 1.0, reservations=DYNAMIC),
        scalar("cpus", 2.0, reservations=STATIC),
        scalar("cpus", 4.0),
        scalar("mem", 64.0, reservations=STATIC),
    ]
    first, *others = mesos_resources.pools(told, "apps")
    assert first == ReservationPool(resources=Resources(cpus_milli=4000))
    assert {pool.reservation: pool.resources for pool in others} == {
        STATIC_TEXT: Resources(cpus_milli=2000, mem_mib=64),
        json.dumps(DYNAMIC, sort_keys=True, separators=(",", ":")): Resources(cpus_milli=1000),
    }
    assert mesos_resources.total((first, *others)) == Resources(cpus_milli=7000, mem_mib=64)


def test_what_is_reserved_above_is_for_those_below() -> None:
    told = [scalar("cpus", 1.0, reservations=STATIC, allocation_info={"role": "apps/web"})]
    assert [pool.reservation for pool in mesos_resources.pools(told, "apps/web")] == ["", STATIC_TEXT]


def test_where_all_is_reserved_the_first_pool_is_empty() -> None:
    first, second = mesos_resources.pools([scalar("cpus", 1.0, reservations=STATIC)], "apps")
    assert (first, second.resources) == (ReservationPool(resources=Resources()), Resources(cpus_milli=1000))


@pytest.mark.parametrize("reservation", [STATIC, DYNAMIC])
def test_what_is_written_is_read_again(reservation: list[dict[str, Any]]) -> None:
    told = [
        scalar("cpus", 1.5, reservations=reservation),
        scalar("mem", 32.0, reservations=reservation),
        scalar("disk", 10.0, reservations=reservation),
        scalar("gpus", 1.0, reservations=reservation),
        scalar("tokens", 0.25, reservations=reservation),
        ports((80, 81), (90, 90), reservations=reservation),
        items("fpga", "a", "b", reservations=reservation),
    ]
    _, pool = mesos_resources.pools(told, "apps")
    again = orjson.loads(orjson.dumps(mesos_resources.written(pool.resources, "apps", pool.reservation)))
    assert mesos_resources.pools(again, "apps") == (ReservationPool(resources=Resources()), pool)
    assert again[0]["reservations"] == reservation


def test_unreserved_resources_are_written_without_reservations() -> None:
    (cpus,) = mesos_resources.written(Resources(cpus_milli=100), "apps")
    assert cpus == {
        "name": "cpus",
        "type": "SCALAR",
        "scalar": {"value": 0.1},
        "allocation_info": {"role": "apps"},
    }


def test_what_anybody_uses_is_not_free() -> None:
    has = [
        {**scalar("cpus", 4.0), "role": "*"},
        {**scalar("cpus", 1.0, reservations=STATIC), "role": "apps"},
        {**scalar("cpus", 9.0, reservations=[{"type": "STATIC", "role": "others"}]), "role": "others"},
        {**ports((31000, 31009)), "role": "*"},
        {**items("fpga", "a", "b"), "role": "*"},
    ]
    used = [
        {**scalar("cpus", 1.5, allocation_info={"role": "others"}), "role": "*"},
        {**scalar("cpus", 0.25, reservations=STATIC), "role": "apps"},
        {**scalar("cpus", 9.0, reservations=[{"type": "STATIC", "role": "others"}]), "role": "others"},
        {**ports((31000, 31001), allocation_info={"role": "others"}), "role": "*"},
        {**items("fpga", "b"), "role": "*"},
        {**scalar("tokens", 1.0), "role": "*"},
    ]
    assert mesos_resources.usable(has, "apps") == Resources(
        cpus_milli=5000, ports=PortRanges.of([(31000, 31009)]), sets=(("fpga", ("a", "b")),)
    )
    assert mesos_resources.free(has, used, "apps") == Resources(
        cpus_milli=3250, ports=PortRanges.of([(31002, 31009)]), sets=(("fpga", ("a",)),)
    )


def test_more_used_than_there_is_is_nothing_free() -> None:
    assert mesos_resources.free([scalar("cpus", 1.0)], [scalar("cpus", 2.0)], "apps") == Resources()
