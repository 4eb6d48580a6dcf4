"""The state of one check of one task: the meaning of its outcomes, and when the next check is due. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from specs.model.stack import HealthCheck

REPORT_AFTER_SECONDS = 5.0
"""Delay before failures that keep a task from its first success are reported."""
REPORT_AGAIN_SECONDS = 10.0
"""Pause between two such reports."""


class HealthChange(Enum):
    """The change that the latest outcome has made."""

    NOTHING = "nothing"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


@dataclass(slots=True, kw_only=True)
class Judge:
    """The state of one check of one task. Times are in seconds on the core's clock."""

    #: The settings of the check.
    check: HealthCheck
    #: When the grace of the check began.
    started_at: float
    #: The number of the latest check: outcomes of earlier ones are ignored.
    serial: int = 0
    #: None until enough successes in a row have come, or enough failures that count.
    is_healthy: bool | None = None
    #: Whether the task was well when it got this check and has not passed it since. All tasks of a group get a check at
    #: once, and one that is wrong must not end them all.
    is_on_probation: bool = False
    #: Failures in a row that count.
    failures: int = 0
    #: Successes in a row.
    successes: int = 0
    #: Whether there has been an outcome.
    has_looked: bool = False
    #: The code of the last outcome: status code, exit code, or 1 or 0 for a connection.
    code: int | None = None
    #: When the next check begins, None while one is under way.
    due_at: float | None = None
    #: When the latest check began.
    began_at: float = 0.0
    #: The words of the last report, and when it was sent.
    reported: str = ""
    reported_at: float | None = None

    def first_at(self, now: float, share: float, *, is_known: bool = False) -> float:
        """When to check first. `share`, a random number from 0 to 1, keeps tasks that start together from being checked
        together.

        `is_known`: the task has run for a while, and is checked soon.
        """
        pause = min(self.check.start_interval_seconds, self.check.interval_seconds)
        return now + pause * (share if is_known else 0.5 + share / 2)

    def begin(self, now: float) -> None:
        """Notes that a check begins."""
        self.began_at = now if self.due_at is None else self.due_at
        self.due_at = None
        self.serial += 1

    def next_at(self, now: float, share: float, change: HealthChange) -> float:
        """When to check next, measured from the last beginning and never before now. At the first success `share`
        spreads tasks over the interval."""
        interval = self.check.interval_seconds
        if self.is_healthy is None and now < self._settled_at:
            eager = self.began_at + min(self.check.start_interval_seconds, interval)
            return max(now, min(eager, self._settled_at))
        if change is HealthChange.HEALTHY:
            interval *= 0.5 + share / 2
        return max(now, self.began_at + interval)

    def record(self, is_healthy: bool, now: float) -> HealthChange:
        """Takes an outcome in; returns the change that it makes."""
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
        """Whether the check lets others be sent to the task."""
        return self.is_healthy is True or self.is_on_probation

    @property
    def has_succeeded(self) -> bool:
        """Whether the last outcome was a success."""
        return self.successes > 0

    def is_news(self, words: str, now: float) -> bool:
        """Whether to report a failure that changes nothing: its words differ from the last report, and the task has not
        been healthy for a while."""
        if self.is_healthy or words == self.reported:
            return False
        earliest = (
            self.started_at + REPORT_AFTER_SECONDS
            if self.reported_at is None
            else self.reported_at + REPORT_AGAIN_SECONDS
        )
        return now >= earliest

    def note_reported(self, words: str, now: float) -> None:
        """Notes the words of a report."""
        self.reported, self.reported_at = words, now

    @property
    def _settled_at(self) -> float:
        """When failures begin to count: after the grace, and not before one check was possible."""
        return self.started_at + max(self.check.grace_seconds, self.check.interval_seconds)
