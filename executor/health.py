"""What the outcomes of a task's health checks mean. Pure: checks.py performs them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from specs.stack import HealthCheck

EAGER_INTERVAL_SECONDS = 1.0
"""Until its first success a task is checked at least this often, so that it is found healthy soon."""


class Finding(Enum):
    """What the latest outcome changed."""

    NOTHING = "nothing"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    HOPELESS = "hopeless"


@dataclass(slots=True, kw_only=True)
class Judge:
    """Counts the outcomes of one task's checks. Times in seconds on the core's clock."""

    check: HealthCheck
    started_at: float
    serial: int = 0
    is_healthy: bool | None = None
    failures: int = 0

    def next_at(self, now: float) -> float:
        """When to check next, `now` being the end of the last check or the start of the task."""
        if self.is_healthy is None:
            return now + min(self.check.interval_seconds, EAGER_INTERVAL_SECONDS)
        return now + self.check.interval_seconds

    def report(self, is_healthy: bool, now: float) -> Finding:
        """Takes in an outcome. HOPELESS: the task has failed so often in a row that it is to be stopped."""
        if is_healthy:
            self.failures = 0
            before, self.is_healthy = self.is_healthy, True
            return Finding.NOTHING if before else Finding.HEALTHY
        if self.is_healthy is None and now < self.started_at + self.check.grace_seconds:
            return Finding.NOTHING
        self.failures += 1
        if self.check.failures and self.failures >= self.check.failures:
            self.is_healthy = False
            return Finding.HOPELESS
        if self.check.failures or self.is_healthy is False:
            return Finding.NOTHING
        self.is_healthy = False
        return Finding.UNHEALTHY
