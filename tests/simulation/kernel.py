"""The one clock of a simulated world: what happens when, and lines on which messages stay in order."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from random import Random

Act = Callable[[], None]

BEGIN = 1_700_000_000.0
SIMULTANEOUS = 200_000
"""Limit on events at one instant: more mean that the world runs in a circle."""


class Stuck(Exception):
    """Time does not go on."""


class Kernel:
    """Does what is due, in the order of time; what is due at once in the order in which it was asked for."""

    def __init__(self) -> None:
        self.now = BEGIN
        self.events = 0
        self._heap: list[tuple[float, int, Act]] = []
        self._count = 0

    def after(self, seconds: float, act: Act) -> None:
        """Has `act` called in so many seconds."""
        self._count += 1
        heapq.heappush(self._heap, (self.now + max(seconds, 0.0), self._count, act))

    def run(self, seconds: float) -> None:
        """Lets so much time go by."""
        end = self.now + seconds
        begun_at, count = self.now, 0
        while self._heap and self._heap[0][0] <= end:
            at, _, act = heapq.heappop(self._heap)
            count = count + 1 if at == begun_at else 0
            if count > SIMULTANEOUS:
                raise Stuck(f"{SIMULTANEOUS} events happened at the one instant {at - BEGIN:.3f} s")
            self.now = begun_at = at
            self.events += 1
            act()
        self.now = end


class Delays:
    """How long messages take; `factor` is raised where everything is slow."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self.factor = 1.0

    def draw(self, most_seconds: float) -> float:
        """A delay up to so many seconds, most often a short one."""
        return self.factor * most_seconds * self._rng.random() ** 3


class Line:
    """One direction of a connection: what is sent arrives later and in order, unless the line is cut before."""

    def __init__(self, kernel: Kernel, delays: Delays, most_seconds: float) -> None:
        self._kernel, self._delays, self._most_seconds = kernel, delays, most_seconds
        self._arrives_at = 0.0
        self._cuts = 0
        self.under_way = 0

    def send(self, deliver: Act) -> None:
        """Has `deliver` called when the message arrives."""
        at = max(self._kernel.now + self._delays.draw(self._most_seconds), self._arrives_at)
        self._arrives_at = at
        cuts = self._cuts
        self.under_way += 1

        def arrive() -> None:
            if self._cuts == cuts:
                self.under_way -= 1
                deliver()

        self._kernel.after(at - self._kernel.now, arrive)

    def cut(self) -> None:
        """Drops all messages under way."""
        self._cuts += 1
        self.under_way = 0
