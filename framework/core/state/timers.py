"""Deadlines by key, in order of time."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

from framework.core.model import Instant

Key = tuple[str, str]


@dataclass(slots=True)
class Timers:
    """One deadline for each key (kind, name). Deadlines that were moved or dropped are skipped when they come up."""

    _heap: list[tuple[Instant, int, Key]] = field(default_factory=list)
    _due: dict[Key, tuple[Instant, int]] = field(default_factory=dict)
    _count: int = 0

    def set(self, kind: str, name: str, at: Instant) -> None:
        """Sets or moves a deadline."""
        self._count += 1
        self._due[kind, name] = (at, self._count)
        heapq.heappush(self._heap, (at, self._count, (kind, name)))

    def drop(self, kind: str, name: str) -> None:
        """Forgets a deadline, if there is one."""
        self._due.pop((kind, name), None)

    def has(self, kind: str, name: str) -> bool:
        return (kind, name) in self._due

    def due(self, kind: str, name: str) -> Instant | None:
        """When a deadline is, None if there is none."""
        known = self._due.get((kind, name))
        return known[0] if known else None

    def next(self) -> Instant | None:
        """When the next deadline is, None if there is none."""
        self._clean()
        return self._heap[0][0] if self._heap else None

    def pop(self, now: Instant) -> Key | None:
        """Takes the earliest deadline that has come, None if there is none."""
        self._clean()
        if not self._heap or self._heap[0][0] > now:
            return None
        key = heapq.heappop(self._heap)[2]
        del self._due[key]
        return key

    def _clean(self) -> None:
        while self._heap and self._due.get(self._heap[0][2], (0.0, 0))[1] != self._heap[0][1]:
            heapq.heappop(self._heap)
