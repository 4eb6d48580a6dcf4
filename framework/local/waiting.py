"""Waiting for a condition, with a bound."""

import time
from collections.abc import Callable
from typing import TypeVar

from framework.local.errors import LocalError

Value = TypeVar("Value")

PAUSE_SECONDS = 0.05


def wait_for(condition: Callable[[], Value | None], seconds: float, what: str) -> Value:
    """Waits until the condition's value is truthy and returns it.

    Raises LocalError "<what>: not within <seconds> s" afterwards; `what` names what was waited for and where to look.
    """
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise LocalError(f"{what}: not within {seconds:g} s")
        time.sleep(PAUSE_SECONDS)
