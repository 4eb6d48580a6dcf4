"""The record of a simulated world: a digest of all events, and the story of a task."""

from __future__ import annotations

import hashlib
import re
from collections import deque

from tests.simulation.kernel import BEGIN, Kernel

KEPT = 200_000
LONGEST = 400


class Journal:
    """Takes notes. `digest` is equal for two worlds in which the same happened at the same time."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._hash = hashlib.sha256()
        self._entries: deque[tuple[float, str, str]] = deque(maxlen=KEPT)

    def note(self, who: str, what: object) -> None:
        """Notes that something happened at `who`."""
        text = what if isinstance(what, str) else repr(what)
        self._hash.update(f"{self._kernel.now!r} {who} {text}\n".encode())
        self._entries.append((self._kernel.now, who, text))

    @property
    def digest(self) -> str:
        """The SHA-256 of all notes."""
        return self._hash.hexdigest()

    def story(self, words: tuple[str, ...], most: int = 60) -> list[str]:
        """The last notes that name one of the words (a task's id, an agent's), shortened for people."""
        pattern = re.compile("|".join(rf"(?<![\w.-]){re.escape(word)}(?![\w.-])" for word in words) or "(?!)")
        found: deque[str] = deque(maxlen=most)
        for at, who, text in self._entries:
            if who == "fault" or pattern.search(text):
                found.append(f"{at - BEGIN:10.3f}  {who:12} {_short(text, pattern)}")
        return list(found)

    def tail(self, most: int = 40) -> list[str]:
        """The last notes of all."""
        last = list(self._entries)[-most:]
        return [f"{at - BEGIN:10.3f}  {who:12} {text[:LONGEST]}" for at, who, text in last]


def _short(text: str, pattern: re.Pattern[str]) -> str:
    """A long note cut to what is around the first match."""
    if len(text) <= LONGEST:
        return text
    found = pattern.search(text)
    middle = found.start() if found else 0
    kind = text.split("(", 1)[0][:40]
    begin = max(middle - LONGEST // 2, 0)
    return f"{kind}(… {text[begin : begin + LONGEST]} …"
