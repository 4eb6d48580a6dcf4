"""Connections: how long one may be open without a whole request, and how many may.

uvicorn waits for a head, and for the rest of a body that nobody wants, as long as it takes. Here both have a time-out
that single bytes do not extend. Where too many connections wait, the one that has waited longest is closed, so that one
that brings its request at once always finds a place. Connections that have shown the token have places of their own.

The body that an answer needs has its time from the guard (framework.api.guard.body_limits). A client that does not take
its answer is the kernel's: TCP_USER_TIMEOUT, which the server sets.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from enum import Enum
from typing import ClassVar

from starlette.types import Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

from framework.api.info import Limits

STATE = "connection"
"""Under this name a request's state holds its connection."""


_BEFORE_ANSWER = ("IDLE", "SEND_RESPONSE")
"""h11's names for the states of our side in which an answer may begin."""


class _Phase(Enum):
    """The next thing that a connection waits for."""

    HEAD = "a head"
    ANSWER = "its answer"
    REST = "the rest of a body that the answer did not need"
    IDLE = "the next request"


class Waiting:
    """The connections that wait for their client: up to `limit`, in the order in which they began to wait.

    Those that have had an answer are apart: they give way before any that is about to ask something.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._answered: OrderedDict[Connection, None] = OrderedDict()
        self._asking: OrderedDict[Connection, None] = OrderedDict()

    def add(self, connection: Connection, *, is_answered: bool) -> None:
        """Takes in a connection that waits nowhere else. Closes the one that waits longest where there are too many."""
        (self._answered if is_answered else self._asking)[connection] = None
        if len(self._answered) + len(self._asking) > self._limit:
            oldest, _ = (self._answered or self._asking).popitem(last=False)
            oldest.give_way()

    def remove(self, connection: Connection) -> None:
        """Forgets a connection, which may be none of them."""
        self._answered.pop(connection, None)
        self._asking.pop(connection, None)


class Connection(H11Protocol):
    """uvicorn's connection, with time-outs for all that it waits for. Made by `protocol_of`, which gives the limits."""

    limits: ClassVar[Limits]
    strangers: ClassVar[Waiting]
    known: ClassVar[Waiting]

    is_known = False
    """Whether its last request had the token, or was an executor's."""
    _phase: _Phase | None = None
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self.app_state = {**self.app_state, STATE: self}
        self._look()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._enter(None)

    def send_400_response(self, msg: str) -> None:
        """Says that what came is no request; or closes the connection, where an answer has begun or was the last."""
        if repr(self.conn.our_state) in _BEFORE_ANSWER:
            super().send_400_response(msg)
        else:
            self.transport.close()

    def give_way(self) -> None:
        """Closes the connection at once, whatever it does."""
        self.transport.abort()

    def _look(self) -> None:
        phase = self._phase_now()
        if phase is not self._phase:  # else what comes byte by byte extends nothing
            self._enter(phase)

    def _phase_now(self) -> _Phase | None:
        if self.transport.is_closing():
            return None
        if self.cycle is not None and not self.cycle.response_complete:
            return _Phase.ANSWER
        if self.conn.our_state is not self.conn.their_state:
            return _Phase.REST  # our side has ended the exchange, theirs has not
        return _Phase.HEAD if self.cycle is None or self.conn.trailing_data[0] else _Phase.IDLE

    def _enter(self, phase: _Phase | None) -> None:
        self._phase = phase
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for waiting in (self.known, self.strangers):
            waiting.remove(self)
        if phase in (_Phase.HEAD, _Phase.REST):
            self._timer = self.loop.call_later(self.limits.head_seconds, self.give_way)
        if phase not in (None, _Phase.ANSWER):
            waiting = self.known if self.is_known else self.strangers
            waiting.add(self, is_answered=phase is not _Phase.HEAD)


def protocol_of(limits: Limits) -> type[Connection]:
    """The class of the connections of one server."""

    class Bounded(Connection):
        """A connection of this server."""

    Bounded.limits = limits
    Bounded.strangers = Waiting(limits.waiting)
    Bounded.known = Waiting(limits.waiting_known)
    return Bounded


def connection_of(scope: Scope) -> Connection | None:
    """The connection of a request; None where another server than ours has it, as in tests."""
    found = scope.get("state", {}).get(STATE)
    return found if isinstance(found, Connection) else None
