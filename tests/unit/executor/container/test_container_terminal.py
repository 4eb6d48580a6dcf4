"""The connection to a command: what comes early is not lost, and nothing is waited for before it is there."""

from __future__ import annotations

import socket
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from executor.container.container_terminal import ContainerTerminal


class Upgraded:
    """A stream as docker-py returns it: the engine's answer was read by a buffered reader, on a socket with a
    time-out."""

    def __init__(self, early: bytes) -> None:
        ours, self.engine = socket.socketpair()
        ours.settimeout(60)
        self._reader = ours.makefile("rb")
        self.engine.sendall(b"answer\n" + early)
        assert self._reader.readline() == b"answer\n"
        response = SimpleNamespace(raw=SimpleNamespace(_fp=SimpleNamespace(fp=self._reader)), close=ours.close)
        self.stream: Any = SimpleNamespace(_response=response, fileno=ours.fileno)

    def terminal(self, *, has_frames: bool) -> ContainerTerminal:
        """Made in a thread, as it must not wait for what the command says first."""
        made: list[ContainerTerminal] = []
        maker = threading.Thread(
            target=lambda: made.append(ContainerTerminal(None, "id", self.stream, has_frames=has_frames)), daemon=True
        )
        maker.start()
        maker.join(20)
        assert made, "it waits for the first output"
        return made[0]


@pytest.mark.parametrize("early", [b"", b"\1\0\0\0\0\0\0\3ou", b"\1\0\0\0\0\0\0\3out\2\0\0\0\0\0\0\4err\n"])
def test_what_comes_behind_the_answer_is_the_first_output(early: bytes) -> None:
    engine = Upgraded(early)
    terminal = engine.terminal(has_frames=True)
    engine.engine.sendall((b"\1\0\0\0\0\0\0\3out\2\0\0\0\0\0\0\4err\n")[len(early) :])
    engine.engine.shutdown(socket.SHUT_WR)
    streams: dict[str, bytes] = {}
    for stream, data in terminal.output():
        streams[stream] = streams.get(stream, b"") + data
    assert streams == {"stdout": b"out", "stderr": b"err\n"}


def test_a_terminal_has_no_frames_and_its_input_ends() -> None:
    engine = Upgraded(b"$ ")
    terminal = engine.terminal(has_frames=False)
    terminal.write(b"exit\n")
    terminal.end_input()
    said = b""
    while data := engine.engine.recv(100):
        said += data
    engine.engine.close()
    assert (said, list(terminal.output())) == (b"exit\n", [("stdout", b"$ ")])
