"""How long a group's version waits before its ended tasks are replaced, and when it has failed permanently. Pure."""

from __future__ import annotations

from dataclasses import replace

from framework.core.model import Backoff, Instant, Task
from specs.model.stack import Retry
from specs.permanence import is_of_agent

PERMANENT_DELAY_SECONDS = 10.0
PERMANENT_FACTOR = 3.0
MOST_TRIES = 5
"""Limit on the tries of a version that fails in a way that trying again does not mend: its image may still be
pushed."""
MOST_AGENTS = 20
"""Limit on the agents on which a version is tried that fails for a cause of the agent."""
MOST_CAUSE = 300
"""Limit on the characters of the cause."""


def after_failure(
    before: Backoff | None, *, task: Task, ran_seconds: float, cause: str, now: Instant, retry: Retry
) -> Backoff:
    """The wait after a task of the version has failed, having run for `ran_seconds`; `before` itself where the failure
    does not count.

    Failures within a wait count as one: many instances that fail together have failed once. Each window that has passed
    since the end of the last wait halves it; then the failure makes it longer by the factor, unless the task had run
    for a window. It is never shorter than the first delay, nor longer than the longest.
    """
    if before is not None and is_waiting(before, now):
        return before
    if task.permanent:
        return _after_permanent(before, task, cause, now, retry)
    had_run_well = ran_seconds >= retry.window_seconds
    lowered = _lowered(before, now, retry) if before is not None else 0.0
    is_first = before is None or lowered < retry.delay_seconds or bool(before.tries)
    delay = retry.delay_seconds if is_first else lowered * (1.0 if had_run_well else retry.factor)
    failures = 1 if is_first or before is None else before.failures + (not had_run_well)
    return _counted(failures, delay, cause, now, retry)


def _lowered(before: Backoff, now: Instant, retry: Retry) -> float:
    """The delay, halved for each window that has passed since its end."""
    windows = (now - before.until) // retry.window_seconds
    return before.delay_seconds * float(0.5 ** min(max(windows, 0.0), 64.0))


def _after_permanent(before: Backoff | None, task: Task, cause: str, now: Instant, retry: Retry) -> Backoff:
    """The longer wait where trying again does not help. A first try on another agent does not count where the agent may
    be the cause."""
    earlier = before if before is not None and before.tries else None
    is_elsewhere = earlier is not None and is_of_agent(task.permanent) and task.agent_id not in earlier.agents
    delay = PERMANENT_DELAY_SECONDS if earlier is None else earlier.delay_seconds * PERMANENT_FACTOR
    if earlier is not None and is_elsewhere:
        delay = earlier.delay_seconds
    after = _counted(1 if earlier is None else earlier.failures + 1, delay, cause, now, retry)
    agents = () if earlier is None else earlier.agents
    known = agents if task.agent_id in agents else (*agents, task.agent_id)[:MOST_AGENTS]
    tries = (0 if earlier is None else earlier.tries) + (not is_elsewhere)
    after = replace(after, tries=tries, agents=known)
    return replace(after, until=now) if is_permanently_failed(after) else after


def _counted(failures: int, delay: float, cause: str, now: Instant, retry: Retry) -> Backoff:
    delay = min(max(delay, retry.delay_seconds), retry.max_delay_seconds)
    return Backoff(at=now, until=now + delay, delay_seconds=delay, cause=cause[:MOST_CAUSE], failures=failures)


def is_waiting(backoff: Backoff, now: Instant) -> bool:
    """Whether the wait goes on. One that ends far in the future was set by a clock ahead of ours, and is over."""
    return now < backoff.until <= now + 2 * backoff.delay_seconds


def is_permanently_failed(backoff: Backoff) -> bool:
    """Whether the version is not launched again until somebody asks for it: its tries or agents are used up."""
    return backoff.tries >= MOST_TRIES or len(backoff.agents) >= MOST_AGENTS


def sentence(backoff: Backoff) -> str:
    """Why the group waits, for people."""
    times = f" ({backoff.failures} failures)" if backoff.failures > 1 else ""
    return f"waits {seconds(backoff.delay_seconds)}{times} after: {backoff.cause}"


def countdown(backoff: Backoff, now: Instant) -> str:
    """Why the group waits, with the rest of the wait as of now."""
    left, delay = max(backoff.until - now, 0.0), seconds(backoff.delay_seconds)
    times = "1 failure" if backoff.failures == 1 else f"{backoff.failures} failures"
    return f"waits {seconds(left)} (of {delay}, {times}) after: {backoff.cause}"


def permanent_failure(backoff: Backoff, group: str) -> str:
    """Why the version is not launched again, and what to do, for people."""
    of = len(backoff.agents)
    tried = f"{backoff.failures} attempts on {of} {'agent' if of == 1 else 'agents'}"
    return (
        f"gave up after {tried}; it will not mend by itself: {backoff.cause}; submit it mended, or"
        f" `framework reset-backoff '{group}'`"
    )


def seconds(duration: float) -> str:
    """A duration for people: 1.2 s, 30 s, 5 min."""
    if duration < 10:
        return f"{duration:.1f} s".replace(".0 s", " s")
    return f"{duration:.0f} s" if duration < 120 else f"{duration / 60:.1f} min".replace(".0 min", " min")
