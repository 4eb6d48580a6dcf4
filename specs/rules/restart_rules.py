"""Rules for the delays between an ended task and the next one."""

from __future__ import annotations

from collections.abc import Iterator

from specs.model.limits import MAX_ATTEMPTS, MAX_FACTOR, MAX_SECONDS
from specs.model.stack import Retry
from specs.rules.broken import Broken

WANTED_FACTOR = f"a number from 1 to {MAX_FACTOR}, as 1.15"


def broken_retry(retry: Retry) -> Iterator[Broken]:
    """The rules that the delays of a stack break, wherever they come from."""
    least = {"delay": 0.0, "max_delay": retry.delay_seconds, "window": 0.001}
    for name, low in least.items():
        value = getattr(retry, f"{name}_seconds")
        if not low <= value <= MAX_SECONDS:
            message = f"wanted {name} from {low:g} to {MAX_SECONDS:,.0f} seconds; got {value:,}"
            if name == "max_delay" and value < low:
                message += ": the longest wait is shorter than the first; leave max_delay out, or make delay shorter"
            yield Broken(message=message, where=(f"retry.{name}_seconds",))
            break
    if not 1 <= retry.factor <= MAX_FACTOR:
        yield Broken(message=f"wanted {WANTED_FACTOR}; got {retry.factor:g}", where=("retry.factor",))
    if not 0 <= retry.attempts <= MAX_ATTEMPTS:
        message = f"wanted attempts from 0 to {MAX_ATTEMPTS:,}; got {retry.attempts:,}"
        yield Broken(message=message, where=("retry.attempts",))
