"""The grace after an outage of ZooKeeper: endpoints vanish although their publishers live. Pure: time is an argument.

A server that was frozen for longer than a session ends all sessions when it goes on, and each session's nodes with it.
Publishers are back a moment later; without the grace a reader would see no endpoint at all, and serve nothing.
"""

from __future__ import annotations

from collections.abc import Mapping


class OutageGrace:
    """Keeps the endpoints from before an outage until each has vanished and come back, for `seconds` at most.

    An endpoint that a publisher with an unbroken session withdraws in that time is kept too: the two look the same.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._known: dict[str, bytes] = {}
        self._missing: frozenset[str] = frozenset()
        self.until: float | None = None
        """When what is missing then is given up; None where nothing is kept."""

    def begin(self, known: Mapping[str, bytes], now: float) -> None:
        """ZooKeeper is back, and these nodes were known before."""
        self._known, self._missing = dict(known), frozenset()
        self.until = now + self._seconds if known else None

    def completed(self, nodes: Mapping[str, bytes], now: float) -> dict[str, bytes]:
        """These nodes, and those that are kept."""
        if self.until is not None and now >= self.until:
            self._known, self._missing, self.until = {}, frozenset(), None
        for back in self._missing & nodes.keys():
            del self._known[back]
        self._missing = frozenset(self._known.keys() - nodes.keys())
        return {**nodes, **{path: self._known[path] for path in self._missing}}
