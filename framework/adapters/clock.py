"""The real clock."""

from __future__ import annotations

import time

from framework.core.model import Instant


class SystemClock:
    """The machine's own clock; it may jump when somebody sets it."""

    def now(self) -> Instant:
        """Seconds since 1970."""
        return time.time()
