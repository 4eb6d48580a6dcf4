"""The kept connection for calls: written one after the other without waiting, answered in the same order."""

from __future__ import annotations

import contextlib
import socket
import time
from collections import deque
from dataclasses import dataclass

from framework.adapters.mesos_wire import Answer, Answers
from framework.core.commands import Call

MOST_BUFFERED_BYTES = 256 * 1024
MOST_UNANSWERED = 2000
READ_BYTES = 256 * 1024


@dataclass(slots=True)
class _Sent:
    call: Call
    begin: int
    """where its bytes begin, counted from the first byte of the connection"""
    at: float


class Channel:
    """Calls on one socket, connected and not blocking. `head` are the header lines that all calls have."""

    def __init__(self, sock: socket.socket, head: bytes) -> None:
        self.sock = sock
        self._head = b"POST /api/v1/scheduler HTTP/1.1\r\n" + head + b"Content-Length: "
        self._out = bytearray()
        self._pushed = 0
        self._written = 0
        self._unanswered: deque[_Sent] = deque()
        self._answers = Answers()

    @property
    def is_full(self) -> bool:
        """Whether the master has enough to do with what was pushed."""
        return len(self._out) > MOST_BUFFERED_BYTES or len(self._unanswered) >= MOST_UNANSWERED

    @property
    def wants_write(self) -> bool:
        return bool(self._out)

    @property
    def is_idle(self) -> bool:
        """Whether every call was answered."""
        return not self._unanswered

    @property
    def oldest_at(self) -> float | None:
        """Since when (monotonic) the oldest call waits for its answer; None where none does."""
        return self._unanswered[0].at if self._unanswered else None

    def push(self, call: Call, body: bytes) -> None:
        """Puts a call behind the others."""
        before = len(self._out)
        self._out += self._head
        self._out += b"%d\r\n\r\n" % len(body)
        self._out += body
        self._unanswered.append(_Sent(call, self._pushed, time.monotonic()))
        self._pushed += len(self._out) - before

    def write(self) -> None:
        """Sends what the socket takes; raises OSError."""
        with contextlib.suppress(BlockingIOError):
            while self._out:
                sent = self.sock.send(self._out)
                del self._out[:sent]
                self._written += sent

    def read(self) -> list[tuple[Call, Answer]]:
        """The calls that were answered, with the answers. Raises OSError, WireFault, and EOFError at the end."""
        try:
            data = self.sock.recv(READ_BYTES)
        except BlockingIOError:
            return []
        if not data:
            raise EOFError
        return [(self._unanswered.popleft().call, answer) for answer in self._answers.feed(data) if self._unanswered]

    def unsent(self) -> list[Call]:
        """The calls of which not a byte has left: for certain they did not happen."""
        return [sent.call for sent in self._unanswered if sent.begin >= self._written]
