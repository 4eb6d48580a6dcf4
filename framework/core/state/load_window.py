"""The number of tasks that a load wants, and when that counts. Pure numbers; docs/scaling.md has the arithmetic.

A number counts only once the load has wanted it, or more in the same direction, for a while: `Window` keeps what it
wanted. That is not stored: with another leader, or when somebody sets a number, the while begins again.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from framework.core.model import Instant
from framework.core.volatile import Scaling
from specs.model.autoscale import Autoscale

TOLERANCE = 0.1
"""A load that differs from the target by no more than this share changes nothing."""
BLIND_SECONDS = 90.0
"""Time without a measurement after which what was wanted before does not count any more."""
MOST_AT_ONCE = 4
"""Limit on the growth of a small group at a time, in tasks; a larger one at most doubles."""
_NEARLY = 1e-9
"""Limit on the error of floating point above a whole number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The measurement of one target."""

    #: cpu, memory, or the name of a metric.
    name: str
    #: The mean of the tasks that have measured it, in the unit of the target: per cent for cpu and memory.
    mean: float
    target: float
    #: How many tasks have measured it.
    measured: int
    #: The number of tasks at which the load would be at the target.
    wants: int

    def __str__(self) -> str:
        unit = " %" if self.name in ("cpu", "memory") else ""
        mean = f"{self.mean:.0f}" if self.mean >= 100 else f"{self.mean:.3g}"
        return f"{self.name} {mean}{unit} (target {self.target:g}{unit})"


def reading(name: str, uses: list[float], target: float, instances: int) -> Reading:
    """The reading of one target of a group with `instances` tasks, by the `uses` of the tasks that have measured it.

    Together they use what `wants` tasks at the target would. Tasks without a measurement count as using nothing where
    there would be more tasks, and as being at the target where there would be fewer: a missing measurement scales
    nothing.
    """
    mean, silent = sum(uses) / len(uses), max(instances - len(uses), 0)
    has_too_few = mean > target
    load = sum(uses) / target + (0 if has_too_few else silent)
    is_other_way = (load > instances) is not has_too_few
    wants = instances if is_other_way or abs(load / instances - 1) <= TOLERANCE else math.ceil(load - _NEARLY)
    return Reading(name=name, mean=mean, target=target, measured=len(uses), wants=wants)


@dataclass(slots=True)
class Window:
    """The highest, or the lowest, number that was wanted within some seconds. It keeps only numbers that may still
    become that, so it never has more entries than there are different numbers."""

    is_highest: bool
    _kept: deque[tuple[Instant, int]] = field(default_factory=deque)

    def add(self, at: Instant, wanted: int, seconds: float) -> int:
        """Takes the number that is wanted `at` a time. Returns the extreme of the last `seconds` until then."""
        while self._kept and self._kept[0][0] <= at - seconds:
            self._kept.popleft()
        while self._kept and (self._kept[-1][1] <= wanted if self.is_highest else self._kept[-1][1] >= wanted):
            self._kept.pop()
        self._kept.append((at, wanted))
        return self._kept[0][1]


@dataclass(slots=True)
class Scaler:
    """The memory of a group that is scaled by its load."""

    #: The number of instances at the last measurement: another one clears the windows.
    instances: int = 0
    measured_at: Instant = 0.0
    #: The highest and the lowest number wanted lately: scaling down and up wait for them.
    highest: Window = field(default_factory=lambda: Window(is_highest=True))
    lowest: Window = field(default_factory=lambda: Window(is_highest=False))
    #: The last decision, for readers.
    decision: Scaling | None = None

    def settle(self, bounds: Autoscale, instances: int, wanted: int, now: Instant) -> int:
        """The number that a group of `instances` shall have, where its load wants `wanted` now."""
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
