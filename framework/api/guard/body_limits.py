"""The body of a request as the application receives it: within its limit of bytes, and within its time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.types import Message, Receive

from framework.api.errors import Problem
from framework.api.guard.admission import Lane
from framework.api.info import Limits


class Body:
    """Receives in place of `receive`, up to `most` bytes.

    The body has some seconds, and more with each byte, so that a large one may come slowly. With a `lane` it has a
    place there from the first call until its end, and gives way to another body where there are too many. A body that
    is too large, too slow or broken off raises Problem; once the answer has begun the client counts as gone instead.
    """

    def __init__(
        self, receive: Receive, *, most: int, limits: Limits, lane: Lane | None, has_answered: Callable[[], bool]
    ) -> None:
        self._receive = receive
        self._most = most
        self._limits = limits
        self._lane = lane
        self._has_answered = has_answered
        self._place: object | None = None
        self._began: float | None = None
        self._waiting: asyncio.Timeout | None = None
        self._received = 0
        self._is_whole = False
        self._gives_way = False

    async def __call__(self) -> Message:
        if self._is_whole:
            return await self._receive()  # the end of the connection, whenever that is
        try:
            message = await self._in_time()
        except TimeoutError:
            return self._failed(self._too_slow())
        if message["type"] != "http.request":
            return self._failed(Problem(400, "The connection was closed before the whole body had come."))
        self._received += len(message.get("body", b""))
        if self._received > self._most:
            return self._failed(too_large(self._most, "more"))
        if not message.get("more_body"):
            self.close()
        return message

    def close(self) -> None:
        """Nobody wants more of it."""
        self._is_whole = True
        if self._lane is not None and self._place is not None:
            self._lane.leave(self._place)

    async def _in_time(self) -> Message:
        now = asyncio.get_running_loop().time()
        if self._began is None:
            self._began = now
            self._place = self._lane.enter(self._give_way) if self._lane else None
        seconds = self._limits.body_seconds + self._received / self._limits.body_bytes_per_second
        async with asyncio.timeout_at(now if self._gives_way else self._began + seconds) as self._waiting:
            try:
                return await self._receive()
            finally:
                self._waiting = None

    def _give_way(self) -> None:
        self._gives_way = True
        if self._waiting is not None:
            self._waiting.reschedule(asyncio.get_running_loop().time())

    def _failed(self, problem: Problem) -> Message:
        self.close()
        if self._has_answered():
            return {"type": "http.disconnect"}
        raise problem

    def _too_slow(self) -> Problem:
        why = (
            f"{self._limits.bodies} bodies are being read, which is the limit, and newer ones come faster"
            if self._gives_way
            else f"wanted all of it within {self._limits.body_seconds:g} s, and 1 s more for each"
            f" {self._limits.body_bytes_per_second:,} bytes"
        )
        return Problem(
            408,
            f"The body came too slowly: {why}; got {self._received:,} bytes. Nothing was changed.",
            headers={"Connection": "close"},
        )


def too_large(most: int, got: str) -> Problem:
    """The answer to a body over its limit."""
    return Problem(
        413,
        f"The body is too large: wanted at most {most:,} bytes, got {got}. Nothing was changed.",
        headers={"Connection": "close"},
    )
