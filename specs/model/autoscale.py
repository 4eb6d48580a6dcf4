"""How many tasks a group has by its load: between which numbers, towards which usage, and how soon."""

from __future__ import annotations

import re
from dataclasses import dataclass

METRIC_NAME = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]{0,199}")
"""Names of an application's own metrics (Prometheus's rule), at most 200 characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricTarget:
    """A value that the application tells of each task, and what it shall be on average."""

    name: str
    target: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Autoscale:
    """From `min` to `max` tasks, so many that on average each uses `cpu_percent` of the cpus that its group asks for,
    `memory_percent` of the memory, and every metric is at its target; 0 is no such target, and of several the one that
    wants the most tasks counts.

    There are more tasks once that was wanted for `up_after_seconds`, and fewer once it was for `cool_down_seconds`.
    """

    min: int
    max: int
    cpu_percent: int = 0
    memory_percent: int = 0
    metrics: tuple[MetricTarget, ...] = ()
    up_after_seconds: float = 30.0
    cool_down_seconds: float = 180.0

    def bounded(self, instances: int) -> int:
        """The nearest number that it allows."""
        return min(max(instances, self.min), self.max)

    def __str__(self) -> str:
        targets = [f"cpu {self.cpu_percent} %"] if self.cpu_percent else []
        targets += [f"memory {self.memory_percent} %"] if self.memory_percent else []
        targets += [f"{each.name} {each.target:g}" for each in self.metrics]
        return f"{self.min} to {self.max} tasks, {', '.join(targets)}"
