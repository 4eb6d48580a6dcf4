"""How many tasks a load wants, and when that is believed. Pure numbers; docs/scaling.md has the arithmetic.

A number of tasks is only taken where the load has wanted it, or more of the same, for a while: `Window` remembers what
it wanted. That is not stored: with another leader, and with a number that somebody sets, the while begins anew.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from framework.core.model import Instant
from framework.core.views import Scaling
from specs.model.autoscale import Autoscale

TOLERANCE = 0.1
"""A load that is so near to what the tasks are there for, as a part of it, changes nothing."""
BLIND_SECONDS = 90.0
"""After so long without a measurement what was wanted before counts no more."""
MOST_AT_ONCE = 4
"""A group becomes at most twice as large at a time, or by so many tasks larger, where that is more."""
_NEARLY = 1e-9
"""What is less than this above a whole number is there by floating point alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was measured of one target: the mean of the tasks that told it, in the unit of the target."""

    name: str
    mean: float
    target: float
    told: int
    wants: int

    def __str__(self) -> str:
        unit = " %" if self.name in ("cpu", "memory") else ""
        mean = f"{self.mean:.0f}" if self.mean >= 100 else f"{self.mean:.3g}"
        return f"{self.name} {mean}{unit} (target {self.target:g}{unit})"


def reading(name: str, uses: list[float], target: float, instances: int) -> Reading:
    """How many of `instances` tasks should be there, by what those that told it use of one thing.

    Together they use what `wants` tasks at the target would. Those that told nothing are taken to use nothing where
    there would be more tasks, and to be at the target where there would be fewer: neither is done for want of news.
    """
    mean, silent = sum(uses) / len(uses), max(instances - len(uses), 0)
    has_too_few = mean > target
    load = sum(uses) / target + (0 if has_too_few else silent)
    is_other_way = (load > instances) is not has_too_few
    wants = instances if is_other_way or abs(load / instances - 1) <= TOLERANCE else math.ceil(load - _NEARLY)
    return Reading(name=name, mean=mean, target=target, told=len(uses), wants=wants)


@dataclass(slots=True)
class Window:
    """The highest, or the lowest, of what was wanted within some seconds. As only what may still become the extreme is
    kept, it never has more entries than there are different numbers."""

    is_highest: bool
    _kept: deque[tuple[Instant, int]] = field(default_factory=deque)

    def add(self, at: Instant, wanted: int, seconds: float) -> int:
        """Takes what is wanted `at` a time; returns the extreme of the last `seconds` until then."""
        while self._kept and self._kept[0][0] <= at - seconds:
            self._kept.popleft()
        while self._kept and (self._kept[-1][1] <= wanted if self.is_highest else self._kept[-1][1] >= wanted):
            self._kept.pop()
        self._kept.append((at, wanted))
        return self._kept[0][1]


@dataclass(slots=True)
class Scaler:
    """What is remembered of a group that is scaled by its load: what was wanted lately, and what is told of it."""

    instances: int = 0
    measured_at: Instant = 0.0
    highest: Window = field(default_factory=lambda: Window(is_highest=True))
    lowest: Window = field(default_factory=lambda: Window(is_highest=False))
    told: Scaling | None = None

    def settle(self, bounds: Autoscale, instances: int, wanted: int, now: Instant) -> int:
        """How many there shall be of now `instances`, when so many are `wanted` now."""
        if self.instances != instances or now - self.measured_at > BLIND_SECONDS:
            self.instances = instances
            self.highest.add(now, instances, bounds.cool_down_seconds)
            self.lowest.add(now, instances, bounds.up_after_seconds)
        self.measured_at = now
        highest = self.highest.add(now, wanted, bounds.cool_down_seconds)
        lowest = self.lowest.add(now, wanted, bounds.up_after_seconds)
        if lowest > instances:
            return min(lowest, max(2 * instances, instances + MOST_AT_ONCE))
        return min(highest, instances)
