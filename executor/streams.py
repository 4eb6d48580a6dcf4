"""Reading a known number of bytes from a stream. Supervisors use it too, so it imports next to nothing."""

from __future__ import annotations

from collections.abc import Callable


def exactly(receive: Callable[[int], bytes], size: int) -> bytes:
    """Reads a number of bytes; none where the stream ends before."""
    data = b""
    while len(data) < size:
        piece = receive(size - len(data))
        if not piece:
            return b""
        data += piece
    return data
