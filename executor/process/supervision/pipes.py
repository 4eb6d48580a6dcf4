"""Pipes to and from programs that are started: what is not handed over is closed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from types import TracebackType


class Pipe:
    """A pipe of which a program gets one end, `theirs`, and the executor the other, once it is taken. What is written
    goes from the program to the executor, or the other way with `is_input`."""

    def __init__(self, *, is_input: bool = False) -> None:
        reader, writer = os.pipe()
        self._ours: int | None
        self._ours, self.theirs = (writer, reader) if is_input else (reader, writer)

    def take(self) -> int:
        """Our end, which is the caller's from now on."""
        assert self._ours is not None, "it is taken once"
        ours, self._ours = self._ours, None
        return ours

    def __enter__(self) -> Pipe:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.theirs)
        if self._ours is not None:
            os.close(self._ours)


@contextlib.contextmanager
def nothing() -> Iterator[int]:
    """A descriptor with nothing to read."""
    empty = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield empty
    finally:
        os.close(empty)
