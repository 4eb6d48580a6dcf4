"""The event stream: what happens, as server-sent events, to as many followers as the limit allows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson

from framework.api.errors import Problem
from framework.api.info import Limits
from framework.ports import Front, Happening
from specs.ids import parse_group_id

_PAUSE_SECONDS = 0.05


class Stream:
    """Hands the happenings of a Front to followers; one subscription serves all of them."""

    def __init__(self, front: Front, limits: Limits) -> None:
        self._front = front
        self._limits = limits
        self._followers: set[asyncio.Event] = set()
        self._unsubscribe: Callable[[], None] | None = None
        self._is_waking = False
        self._is_closed = False

    def close(self) -> None:
        """Ends all streams; called in the server's loop."""
        self._is_closed = True
        self._wake()

    def open(self, after: int | None, pattern: str, follow: bool, *, is_known: bool = False) -> AsyncIterator[bytes]:
        """The stream after a sequence number (None: only what comes). Raises Problem beyond the limit, which holders of
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
        return self._events(woken, newest if after is None else after, newest, pattern, follow)

    async def _events(
        self, woken: asyncio.Event, after: int, newest: int, pattern: str, follow: bool
    ) -> AsyncIterator[bytes]:
        try:
            yield b"retry: 2000\n\n"
            if after > newest:
                yield _lagged(newest, f"event {after} is not of this leader's stream, which begins anew")
                after = 0
            while True:
                woken.clear()
                batch = self._front.happenings(after)
                if batch and batch[0].sequence > after + 1:
                    missed = batch[0].sequence - after - 1
                    yield _lagged(batch[0].sequence - 1, f"{missed} events after number {after} are no longer kept")
                lines = [_event(happening) for happening in batch if matches(happening, pattern)]
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


def happening_plain(happening: Happening) -> dict[str, Any]:
    """A happening for JSON."""
    return {
        "sequence": happening.sequence,
        "at": happening.at,
        "kind": happening.kind,
        "text": happening.text,
        "stack": happening.stack,
        "group": happening.group,
        "task": happening.task,
    }


def _event(happening: Happening) -> bytes:
    data = orjson.dumps(happening_plain(happening))
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (happening.sequence, happening.kind.encode(), data)


def _lagged(sequence: int, text: str) -> bytes:
    data = orjson.dumps({"sequence": sequence, "kind": "Lagged", "text": text})
    return b"id: %d\nevent: Lagged\ndata: %s\n\n" % (sequence, data)
