"""How long a group waits before its ended tasks are followed by others."""

from __future__ import annotations

from dataclasses import dataclass

from framework.core.model import Instant, Settings
from specs.ids import VersionId


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """The wait of one group. `until` is when launching may go on; `delay_seconds` the wait that led there."""

    version: VersionId
    delay_seconds: float = 0.0
    until: Instant = 0.0
    cause: str = ""

    @property
    def sentence(self) -> str:
        """What the group waits for, for people."""
        return f"waits {self.delay_seconds:.0f} s after: {self.cause}"


def after_end(
    before: Backoff | None, *, version: VersionId, ran_seconds: float, cause: str, now: Instant, settings: Settings
) -> Backoff:
    """The wait after a task of `version` that ended by itself, having run for `ran_seconds`.

    The wait grows by the factor with each end, up to the most; it starts anew when the version is another or the task
    had run well. Ends within a wait count as one: many instances that fail together have failed once.
    """
    if before is None or before.version != version or ran_seconds >= settings.well_run_seconds:
        delay = settings.backoff_first_seconds
    elif now < before.until:
        return before
    else:
        delay = min(
            max(before.delay_seconds * settings.backoff_factor, settings.backoff_first_seconds),
            settings.backoff_most_seconds,
        )
    return Backoff(version=version, delay_seconds=delay, until=now + delay, cause=cause)
