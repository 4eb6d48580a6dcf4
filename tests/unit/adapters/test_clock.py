"""The scheduler's clock, while the machine's is set."""

from __future__ import annotations

import pytest

from framework.adapters.clock import SystemClock


class Machine:
    """A machine of which somebody sets the clock."""

    def __init__(self) -> None:
        self.wall, self.steady = 1_000_000.0, 50.0
        self.clock = SystemClock(lambda: self.wall, lambda: self.steady)

    def passes(self, seconds: float) -> float:
        """Lets time pass; returns how much has by the scheduler's clock."""
        before = self.clock.now()
        self.wall += seconds
        self.steady += seconds
        return self.clock.now() - before


def test_it_tells_what_the_machine_tells() -> None:
    machine = Machine()
    assert machine.clock.now() == 1_000_000.0
    for _ in range(100):
        assert machine.passes(0.5) == pytest.approx(0.5)
    assert machine.clock.now() == pytest.approx(machine.wall)


@pytest.mark.parametrize(("step", "passed"), [(3600.0, 11.0), (-3600.0, 9.0)])
def test_a_step_neither_ends_a_wait_nor_makes_it_last(step: float, passed: float) -> None:
    machine = Machine()
    before = machine.clock.now()
    machine.wall += step
    assert machine.clock.now() == before
    assert machine.passes(10.0) == pytest.approx(passed)


@pytest.mark.parametrize("step", [30.0, -30.0])
def test_it_comes_back_to_the_machines_time(step: float) -> None:
    machine = Machine()
    machine.wall += step
    for _ in range(299):
        machine.passes(1.0)
    assert abs(machine.clock.now() - machine.wall) == pytest.approx(0.1)
    machine.passes(5.0)
    assert machine.clock.now() == pytest.approx(machine.wall)
    assert machine.passes(1.0) == pytest.approx(1.0)


def test_a_machine_that_slept_is_followed_slowly() -> None:
    """Asleep, it counts no time, and its clock is ahead when it wakes."""
    machine = Machine()
    machine.wall += 60.0
    assert machine.passes(100.0) == pytest.approx(110.0)
