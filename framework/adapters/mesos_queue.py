"""Calls that wait for the master: put in by any thread, taken out by the one that sends."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from framework.adapters.mesos_calls import joined
from framework.core.commands import Call, Decline

MOST_JOINED_OFFERS = 1000


class CallQueue:
    """First in, first out, and bounded.

    A full queue means that the master takes nothing any more. A call that was turned away then, such as a Decline,
    may not be forgotten silently: `is_overfull` stays set until `clear`, and makes the sender subscribe anew, upon
    which offers are void and what matters is asked again.
    """

    def __init__(self, most: int, wake: Callable[[], None]) -> None:
        self.most = most
        self.is_overfull = False
        self._calls: deque[Call] = deque()
        self._wake = wake
        self._is_woken = False

    def __len__(self) -> int:
        return len(self._calls)

    def put(self, call: Call) -> bool:
        """Whether there was room for it. Safe from any thread, never blocks."""
        has_room = len(self._calls) < self.most
        if has_room:
            self._calls.append(call)
        else:
            self.is_overfull = True
        if not self._is_woken:
            self._is_woken = True
            self._wake()
        return has_room

    def was_woken(self) -> None:
        """The sender looks at the queue now: the next `put` has to wake it again."""
        self._is_woken = False

    def take(self) -> Call | None:
        """The next call to send; Declines that follow one another and say the same become one."""
        if not self._calls:
            return None
        call = self._calls.popleft()
        if not isinstance(call, Decline):
            return call
        declines, offers = [call], len(call.offer_ids)
        while self._calls and offers < MOST_JOINED_OFFERS:
            following = self._calls[0]
            if not isinstance(following, Decline) or following.refuse_seconds != call.refuse_seconds:
                break
            self._calls.popleft()
            declines.append(following)
            offers += len(following.offer_ids)
        return joined(declines) if len(declines) > 1 else call

    def clear(self) -> list[Call]:
        """Takes out all that waits."""
        self.is_overfull = False
        calls = []
        while self._calls:
            calls.append(self._calls.popleft())
        return calls
