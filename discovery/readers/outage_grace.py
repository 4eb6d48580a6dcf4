"""What vanishes just after ZooKeeper was away, though those who published it are alive. Pure: time is an argument.

A server that stood still for longer than a session ends all sessions when it goes on, and with each its nodes.
Publishers that live are back a moment later; in between there would be nothing anywhere, and who serves by it would
serve nothing.
"""

from __future__ import annotations

from collections.abc import Mapping


class Returning:
    """Keeps what was known before an absence until it has been seen to go and come back, for `seconds` at most.

    What is withdrawn within that time by one whose session has lasted is kept too: nobody can tell the two apart.
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
