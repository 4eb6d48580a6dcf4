"""The engine's output of a command, taken apart."""

from __future__ import annotations

import pytest

from executor.container.container_exec import Frames


@pytest.mark.parametrize("size", [1, 3, 8, 9, 1000])
def test_output_is_taken_apart_whatever_the_pieces(size: int) -> None:
    said = [(1, b"hello "), (2, b"wor"), (1, b""), (1, b"ld")]
    stream = b"".join(bytes([whose, 0, 0, 0]) + len(text).to_bytes(4) + text for whose, text in said)
    frames = Frames(5)
    for begin in range(0, len(stream), size):
        frames.feed(stream[begin : begin + size])
    assert frames.last == b"world"
