"""Admission: how many requests are answered at a time, and who gives way where there is no room.

Strangers, who show no token, never take all the room: holders of the token and executors that call back find some. The
executor's archive has room of its own, and what is answered at once needs none.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from framework.api.errors import Problem
from framework.api.info import Limits


class Lane:
    """Room for `limit` at a time. One more takes the place of the one that has been inside longest."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._inside: OrderedDict[object, Callable[[], None]] = OrderedDict()

    def enter(self, give_way: Callable[[], None]) -> object:
        """Takes a place, to be left with the key that comes back; `give_way` is called when another one takes it."""
        key = object()
        if self._inside and len(self._inside) >= self._limit:
            _, oldest = self._inside.popitem(last=False)
            oldest()
        self._inside[key] = give_way
        return key

    def leave(self, key: object) -> None:
        """Leaves the place, if it was not taken meanwhile."""
        self._inside.pop(key, None)

    @contextmanager
    def place(self, give_way: Callable[[], None]) -> Iterator[None]:
        """A place until the end of the block."""
        key = self.enter(give_way)
        try:
            yield
        finally:
            self.leave(key)


class Admission:
    """The rooms of one server. Without a token everybody is a stranger, and strangers have all the room."""

    def __init__(self, limits: Limits, *, has_token: bool) -> None:
        self._most = limits.requests
        self._most_strangers = min(limits.strangers, limits.requests) if has_token else limits.requests
        self._running = 0
        self._strangers = 0
        self.archives = Lane(limits.archives)
        self.bodies = Lane(limits.bodies)

    def refusal(self, *, is_known: bool) -> Problem | None:
        """The answer to one more request where it has no room; None where it has."""
        if self._running >= self._most:
            return _full(self._running, "requests")
        if not is_known and self._strangers >= self._most_strangers:
            return _full(self._strangers, "requests without the token")
        return None

    @contextmanager
    def place(self, *, is_known: bool) -> Iterator[None]:
        """Room for a request until the end of the block."""
        self._running += 1
        self._strangers += not is_known
        try:
            yield
        finally:
            self._running -= 1
            self._strangers -= not is_known


def _full(count: int, what: str) -> Problem:
    return Problem(
        503,
        f"{count} {what} are being answered, which is the limit. Try again in a moment.",
        headers={"Retry-After": "1"},
    )
