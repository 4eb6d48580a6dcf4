"""Sessions: somebody here, and a command where a task runs there, with the scheduler between them.

Each side has a key of its own, made by chance, which is all that opens its end; what one side says waits for the other
in a queue of bounded length, and who says more waits too.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from framework.api.errors import Problem

MOST_SESSIONS = 32
CALL_SECONDS = 10.0
"""Time-out for the call of an executor after it was told to."""
BEAT_SECONDS = 15.0
_WAITING = 64

Line = dict[str, Any]


@dataclass(slots=True)
class Session:
    """A command and its two ends. `None` in a queue is its end."""

    task_id: str
    request: Line
    user_key: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    executor_key: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    to_executor: asyncio.Queue[Line | None] = field(default_factory=lambda: asyncio.Queue(_WAITING))
    to_user: asyncio.Queue[Line | None] = field(default_factory=lambda: asyncio.Queue(_WAITING))
    was_called: asyncio.Event = field(default_factory=asyncio.Event)
    is_read: bool = False
    has_ended: asyncio.Event = field(default_factory=asyncio.Event)


class Sessions:
    """Those that are open; they live in the memory of this scheduler, and end with it."""

    def __init__(self) -> None:
        self._open: list[Session] = []

    def begin(self, task_id: str, request: Line) -> Session:
        """A new one; raises Problem where there are too many."""
        if len(self._open) >= MOST_SESSIONS:
            raise Problem(503, f"{MOST_SESSIONS} commands run by way of this scheduler, which is the limit.")
        session = Session(task_id=task_id, request=request)
        self._open.append(session)
        return session

    def of_user(self, key: str) -> Session:
        """The session that this key opens; raises Problem."""
        return self._found(key, "user_key")

    def of_executor(self, key: str) -> Session:
        """The session that this key opens; raises Problem."""
        return self._found(key, "executor_key")

    def opens(self, key: str) -> bool:
        """Whether a key opens an end of a session."""
        given = key.encode()
        ends = (end for session in self._open for end in (session.user_key, session.executor_key))
        return any(hmac.compare_digest(end.encode(), given) for end in ends)

    def end(self, session: Session) -> None:
        """Neither side hears or says anything more."""
        if session in self._open:
            self._open.remove(session)
        session.has_ended.set()

    def _found(self, key: str, name: str) -> Session:
        for session in self._open:
            if hmac.compare_digest(getattr(session, name).encode(), key.encode()):
                return session
        raise Problem(404, "There is no such session (any more): it ended, or another scheduler leads by now.")


async def put(session: Session, queue: asyncio.Queue[Line | None], lines: list[Line]) -> bool:
    """Hands lines over, one after the other, as the other side takes them; False where the session has ended."""
    for line in lines:
        taking = asyncio.ensure_future(queue.put(line))
        if not await _unless_ended(session, taking, None):
            return False
    return not session.has_ended.is_set()


async def lines(session: Session, queue: asyncio.Queue[Line | None]) -> AsyncIterator[bytes]:
    """The lines of the other side, and an empty one now and then, until the end of the session."""
    while True:
        next_line = asyncio.ensure_future(queue.get())
        if await _unless_ended(session, next_line, BEAT_SECONDS):
            line = next_line.result()
            if line is None:
                return
            yield orjson.dumps(line) + b"\n"
        elif session.has_ended.is_set():
            # What was said before the end is heard.
            while not queue.empty():
                line = queue.get_nowait()
                if line is not None:
                    yield orjson.dumps(line) + b"\n"
            return
        else:
            yield b"\n"


async def _unless_ended(session: Session, doing: asyncio.Future[Any], seconds: float | None) -> bool:
    """Whether it was done before the session ended, and in time; else it is not done at all."""
    ending = asyncio.ensure_future(session.has_ended.wait())
    try:
        await asyncio.wait({doing, ending}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return doing.done()
    finally:
        ending.cancel()
        if not doing.done():
            doing.cancel()


def parsed(body: bytes) -> list[Line]:
    """Lines of JSON, each an object; raises Problem for anything else."""
    try:
        found = [orjson.loads(line) for line in body.splitlines() if line]
    except ValueError:
        found = [None]
    if not all(isinstance(line, dict) for line in found):
        raise Problem(400, "The body is wanted as lines of JSON, each an object.")
    return found
