"""Long work is done in threads, a few at a time: the scheduler's own thread must have its share of the cpus."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import anyio
from anyio import to_thread

Result = TypeVar("Result")
_AT_A_TIME = 2


class Threads:
    """Plans and explanations wait here for one another."""

    def __init__(self) -> None:
        self._limiter: anyio.CapacityLimiter | None = None

    async def run(self, function: Callable[..., Result], *arguments: object) -> Result:
        """The function's result."""
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(_AT_A_TIME)  # which wants a running loop
        return await to_thread.run_sync(function, *arguments, limiter=self._limiter)
