"""Free ports that are taken one by one, against a plain list of them."""

from __future__ import annotations

from random import Random

import pytest

from placement.ports import Ports
from specs.model.resources import PortRanges


@pytest.mark.parametrize("seed", range(30))
def test_they_are_as_a_list_of_ports_would_be(seed: int) -> None:
    random = Random(seed)
    ranges = PortRanges.of([(first, first + random.randint(0, 5)) for first in random.sample(range(60), 4)])
    free = [port for first, last in ranges.ranges for port in range(first, last + 1)]
    ports = Ports(ranges)
    while free:
        assert ports.count == len(free)
        assert [ports.nth(index) for index in range(len(free))] == free
        assert [port for port in range(70) if ports.has(port)] == free
        chosen = free.pop(random.randrange(len(free)))
        copy = ports.copy()
        ports.take(chosen)
        assert copy.has(chosen)
        assert not ports.has(chosen)
    assert ports.count == 0


def test_a_port_that_is_not_free_cannot_be_taken() -> None:
    ports = Ports(PortRanges.of([(1000, 1001)]))
    ports.take(1000)
    for port in (1000, 999, 1002):
        with pytest.raises(ValueError, match=f"wanted port {port}, which is not free"):
            ports.take(port)
    with pytest.raises(ValueError, match="wanted port number 1"):
        ports.nth(1)
