"""The time-out of a connect, which a loop that is late does not use up.

A time-out of httpx counts seconds. In a process that is short of processor time a turn of the loop can take one, and a
connect takes a few turns: the time-out ends a connection that the kernel has long since made, and blames the peer.
"""

from __future__ import annotations

import asyncio
from typing import Any

import anyio

_TICKS = 30
"""The least turns of the loop for a time-out: several times as many as a connect needs."""
_CONNECT = "connection.connect_tcp."


class Connecting:
    """The connect of one request: `scope` is cancelled where it takes too long. `trace` is the extension of httpx by
    that name, by which the connect says when it begins and ends."""

    def __init__(self, seconds: float) -> None:
        self.scope = anyio.CancelScope()
        self._tick_seconds = seconds / _TICKS
        self._left = _TICKS
        self._timer: asyncio.TimerHandle | None = None

    async def trace(self, name: str, _info: dict[str, Any]) -> None:
        """Hears what the request does."""
        if name == f"{_CONNECT}started":
            self._wait()
        elif name.startswith(_CONNECT) and self._timer is not None:
            self._timer.cancel()

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._tick_seconds, self._tick)

    def _tick(self) -> None:
        self._left -= 1
        if self._left:
            self._wait()
        else:
            self.scope.cancel()
