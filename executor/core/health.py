"""What the outcomes of a task's checks mean, and when the next one is due. Pure: checks.py performs them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from specs.model.stack import HealthCheck

TELL_AFTER_SECONDS = 5.0
"""What keeps a task from its first success is told of only if it does so for this long."""
TELL_AGAIN_SECONDS = 10.0


class HealthChange(Enum):
    """What the latest outcome changed."""

    NOTHING = "nothing"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


@dataclass(slots=True, kw_only=True)
class Judge:
    """Counts the outcomes of one check of one task. Times in seconds on the core's clock.

    `is_healthy` is None until enough successes in a row have come, or enough failures that count. `due_at` is when the
    next check begins, None while one is under way. `code` is what the last outcome came with: a status code, an exit
    code, 1 or 0 for a connection. `is_on_probation`: the task was well when this check became its own, and has not
    passed it since: all tasks of a group get a check at once, and one that is wrong must not end them all.
    """

    check: HealthCheck
    started_at: float
    serial: int = 0
    is_healthy: bool | None = None
    is_on_probation: bool = False
    failures: int = 0
    successes: int = 0
    has_looked: bool = False
    code: int | None = None
    due_at: float | None = None
    began_at: float = 0.0
    told: str = ""
    told_at: float | None = None

    def first_at(self, now: float, share: float, *, is_known: bool = False) -> float:
        """When to check first. `share`, 0 to 1, is by chance: what starts together is not checked together.

        `is_known`: the task has run for a while already, and is to be found healthy soon.
        """
        pause = min(self.check.start_interval_seconds, self.check.interval_seconds)
        return now + pause * (share if is_known else 0.5 + share / 2)

    def begin(self, now: float) -> None:
        """A check begins."""
        self.began_at = now if self.due_at is None else self.due_at
        self.due_at = None
        self.serial += 1

    def next_at(self, now: float, share: float, finding: HealthChange) -> float:
        """When to check next, the outcome of the last one being known: at the pace of the beginnings, never before
        now. By the first success tasks are spread over the interval by `share`."""
        interval = self.check.interval_seconds
        if self.is_healthy is None and now < self._settled_at:
            eager = self.began_at + min(self.check.start_interval_seconds, interval)
            return max(now, min(eager, self._settled_at))
        if finding is HealthChange.HEALTHY:
            interval *= 0.5 + share / 2
        return max(now, self.began_at + interval)

    def report(self, is_healthy: bool, now: float) -> HealthChange:
        """Takes in an outcome."""
        self.has_looked = True
        if is_healthy:
            self.failures = 0
            self.successes += 1
            if self.is_healthy or self.successes < self.check.successes:
                return HealthChange.NOTHING
            self.is_healthy, self.is_on_probation = True, False
            return HealthChange.HEALTHY
        self.successes = 0
        if self.is_healthy is None and now < self._settled_at:
            return HealthChange.NOTHING
        self.failures += 1
        if self.is_healthy is False or self.failures < max(self.check.failures, 1):
            return HealthChange.NOTHING
        self.is_healthy = False
        return HealthChange.UNHEALTHY

    @property
    def lets_serve(self) -> bool:
        """Whether the check has nothing against it that others are sent to the task."""
        return self.is_healthy is True or self.is_on_probation

    @property
    def has_succeeded(self) -> bool:
        """Whether the last outcome was a success."""
        return self.successes > 0

    def is_news(self, words: str, now: float) -> bool:
        """Whether a failure is to be told of although it changes nothing: other words than were told last, of a task
        that has not been found healthy for a while."""
        if self.is_healthy or words == self.told:
            return False
        earliest = self.started_at + TELL_AFTER_SECONDS if self.told_at is None else self.told_at + TELL_AGAIN_SECONDS
        return now >= earliest

    def tell(self, words: str, now: float) -> None:
        """These words are told."""
        self.told, self.told_at = words, now

    @property
    def _settled_at(self) -> float:
        """From when on failures count: after the grace, and not before it could have been checked once."""
        return self.started_at + max(self.check.grace_seconds, self.check.interval_seconds)
