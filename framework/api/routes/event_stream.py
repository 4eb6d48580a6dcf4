"""The event stream: what happens, as server-sent events, to as many followers as the limit allows."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import orjson

from framework.api.answers.events import EventData, LaggedData, event_data
from framework.api.errors import Problem
from framework.api.info import Limits
from framework.ports import Front, Happening
from specs.ids import parse_group_id

_PAUSE_SECONDS = 0.05
_TERM_BYTES = 6
_POSITION = re.compile(r"(?:([0-9a-z]{1,32})-)?([0-9]{1,18})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPosition:
    """A position in a stream: after event number `sequence` of a leader's `term`, "" where a plain number was given."""

    term: str
    sequence: int

    def __str__(self) -> str:
        return f"{self.term}-{self.sequence}" if self.term else str(self.sequence)


def position_of(text: str) -> StreamPosition | None:
    """The position that an event's id, or a plain number, names; None where the text is neither."""
    found = _POSITION.fullmatch(text)
    return StreamPosition(term=found[1] or "", sequence=int(found[2])) if found else None


class Stream:
    """Hands the happenings of a Front to followers; one subscription serves all of them.

    Happenings count from 1 in each leader, so a number alone says nothing to another leader. Ids carry the term too,
    which is of this stream and no other: a follower that comes back with another term's id is told so.
    """

    def __init__(self, front: Front, limits: Limits) -> None:
        self._front = front
        self._limits = limits
        self._term = secrets.token_hex(_TERM_BYTES)
        self._followers: set[asyncio.Event] = set()
        self._unsubscribe: Callable[[], None] | None = None
        self._is_waking = False
        self._is_closed = False

    def close(self) -> None:
        """Ends all streams; called in the server's loop."""
        self._is_closed = True
        self._wake()

    def open(
        self, after: StreamPosition | None, pattern: str, follow: bool, *, is_known: bool = False
    ) -> AsyncIterator[bytes]:
        """The stream after a position (None: only new events). Raises Problem beyond the limit, which holders of
        the token do not have."""
        if not is_known and len(self._followers) >= self._limits.event_streams:
            raise Problem(
                503,
                f"{self._limits.event_streams} event streams are open, which is the limit. Close one, or try later.",
                headers={"Retry-After": "10"},
            )
        kept = self._front.happenings(0)
        newest = kept[-1].sequence if kept else 0
        woken = asyncio.Event()
        self._add(woken)
        position = StreamPosition(term=self._term, sequence=newest) if after is None else after
        return self._events(woken, position, newest, pattern, follow)

    async def _events(
        self, woken: asyncio.Event, position: StreamPosition, newest: int, pattern: str, follow: bool
    ) -> AsyncIterator[bytes]:
        try:
            is_ours = position.term in ("", self._term) and position.sequence <= newest
            after = position.sequence if is_ours else 0
            # With an id from the start, a follower that has heard nothing yet can come back too.
            yield b"retry: 2000\nid: %s\n\n" % self._id(after).encode()
            if not is_ours:
                yield self._lagged(
                    0,
                    f"event {position} is not of this leader's stream: events may have been missed; what this leader"
                    " has kept follows from its beginning",
                )
            while True:
                woken.clear()
                batch = self._front.happenings(after)
                if batch and batch[0].sequence > after + 1:
                    missed = batch[0].sequence - after - 1
                    yield self._lagged(
                        batch[0].sequence - 1, f"{missed} events after number {after} are no longer kept"
                    )
                lines = [self._event(happening) for happening in batch if matches(happening, pattern)]
                if lines:
                    yield b"".join(lines)
                after = batch[-1].sequence if batch else after
                if self._is_closed or not follow:
                    return
                try:
                    await asyncio.wait_for(woken.wait(), self._limits.heartbeat_seconds)
                    await asyncio.sleep(_PAUSE_SECONDS)
                except TimeoutError:
                    yield b": still here\n\n"
        finally:
            self._drop(woken)

    def _id(self, sequence: int) -> str:
        return str(StreamPosition(term=self._term, sequence=sequence))

    def _event(self, happening: Happening) -> bytes:
        return _entry(event_data(self._id(happening.sequence), happening))

    def _lagged(self, sequence: int, text: str) -> bytes:
        return _entry({"id": self._id(sequence), "sequence": sequence, "kind": "Lagged", "text": text})

    def _add(self, woken: asyncio.Event) -> None:
        self._followers.add(woken)
        if self._unsubscribe is None:
            loop = asyncio.get_running_loop()

            def notify() -> None:
                # From the scheduler's thread, many times a second: one wake-up on its way is enough.
                if not self._is_waking:
                    self._is_waking = True
                    try:
                        loop.call_soon_threadsafe(self._wake)
                    except RuntimeError:
                        self._is_waking = False  # the server's loop has ended

            self._unsubscribe = self._front.subscribe(notify)

    def _drop(self, woken: asyncio.Event) -> None:
        self._followers.discard(woken)
        if not self._followers and self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None

    def _wake(self) -> None:
        self._is_waking = False
        for follower in tuple(self._followers):
            follower.set()


def matches(happening: Happening, pattern: str) -> bool:
    """Whether a follower of the pattern is meant: by the group, else by the stack, else only without a pattern."""
    if not pattern:
        return True
    group = parse_group_id(happening.group)
    if group is not None:
        return group.matches(pattern)
    stack_only = parse_group_id(f"{happening.stack}/any")
    return stack_only is not None and stack_only.matches(pattern.partition("/")[0])


def _entry(data: EventData | LaggedData) -> bytes:
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (data["id"].encode(), data["kind"].encode(), orjson.dumps(data))
