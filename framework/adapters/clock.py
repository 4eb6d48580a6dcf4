"""The clock that the scheduler works by."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from framework.core.model import Instant

CATCH_UP = 0.1
"""How much of the time that passes is used up to come back to the machine's clock."""


class SystemClock:
    """Seconds since 1970, for those who wait as well as for those who read; safe from any thread.

    It begins as the machine's clock (`wall`) says, and goes on as the machine counts time (`steady`). Where somebody
    sets the machine's clock, this one does not jump, or everything that waits would be over at once or wait for as much
    longer: it goes faster or slower, by a tenth, until both agree again.
    """

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        self._wall, self._steady = wall, steady
        self._lock = threading.Lock()
        self._read_at = steady()
        self._now = wall()

    def now(self) -> Instant:
        """Seconds since 1970; never less than at the call before."""
        with self._lock:
            read_at = self._steady()
            passed = read_at - self._read_at
            self._read_at = read_at
            self._now += passed
            behind = self._wall() - self._now
            self._now += min(max(behind, -CATCH_UP * passed), CATCH_UP * passed)
            return self._now
