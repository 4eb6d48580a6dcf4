"""Amounts of resources, counted exactly."""

from __future__ import annotations

import pytest

from specs.model.resources import PortRanges, Resources, format_cpus


def test_port_ranges_are_joined_and_ordered() -> None:
    assert PortRanges.of([(5, 6), (1, 2), (3, 3), (9, 8), (6, 7)]).ranges == ((1, 3), (5, 7))
    assert PortRanges.single([3, 1, 2, 2]).ranges == ((1, 3),)
    assert PortRanges.of([]).ranges == ()


def test_port_ranges_as_sets() -> None:
    ports = PortRanges.of([(1, 3), (10, 12)])
    assert (len(ports), list(ports), 2 in ports, 4 in ports, "2" in ports) == (
        6,
        [1, 2, 3, 10, 11, 12],
        True,
        False,
        False,
    )
    assert (ports | PortRanges.of([(4, 9)])).ranges == ((1, 12),)
    assert (ports - PortRanges.of([(2, 10)])).ranges == ((1, 1), (11, 12))
    assert (ports - ports).ranges == ()
    assert (str(ports), str(PortRanges.single([7])), str(PortRanges())) == ("1-3,10-12", "7", "none")


def test_a_tenth_ten_times_is_one() -> None:
    total = Resources()
    for _ in range(10):
        total += Resources(cpus_milli=100)
    assert total == Resources(cpus_milli=1000)


def test_more_than_there_is_cannot_be_taken() -> None:
    there = Resources(cpus_milli=100, mem_mib=10, ports=PortRanges.of([(1, 3)]))
    assert there - there == Resources()
    for more in (
        Resources(cpus_milli=101),
        Resources(mem_mib=11),
        Resources(gpus=1),
        Resources(ports=PortRanges.of([(3, 4)])),
    ):
        assert not there.covers(more)
        with pytest.raises(ValueError, match="more is taken than there is"):
            there - more


def test_as_text() -> None:
    amount = Resources(cpus_milli=1500, mem_mib=64, disk_mib=1, gpus=2, ports=PortRanges.single([80]))
    assert str(amount) == "cpus 1.5, mem 64 MiB, disk 1 MiB, gpus 2, ports 80"
    assert str(Resources()) == "cpus 0, mem 0 MiB"
    assert [format_cpus(milli) for milli in (0, 1, 500, 1000, 10_000, 1234)] == [
        "0",
        "0.001",
        "0.5",
        "1",
        "10",
        "1.234",
    ]
