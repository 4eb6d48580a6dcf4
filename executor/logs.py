"""The output of all tasks into their log files, in one thread, which also notices the ends of plain processes."""

from __future__ import annotations

import logging
import os
import selectors
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from executor.sandbox import Sandbox
from executor.workers import start_thread
from specs.ids import TaskId
from specs.plain_text import plain_line

READ_BYTES = 64 * 1024
HEADER_BYTES = 8
LAST_WORDS_LENGTH = 200
STREAM_NAMES = {1: "stdout", 2: "stderr"}

log = logging.getLogger("executor.logs")


@dataclass(slots=True, eq=False)
class _Source:
    """A descriptor with a task's output. `stream` empty: both, in the engine's frames of header and data."""

    task_id: TaskId
    descriptor: int
    stream: str
    frame_stream: str = ""
    frame_left: int = 0
    header: bytes = b""


@dataclass(slots=True)
class _Tail:
    """The state of a task's output: its open sources, the end of its stderr, and the event that all has been read."""

    sources: int = 0
    words: bytes = b""
    drained: threading.Event = field(default_factory=threading.Event)


class Logs:
    """Copies descriptors into files until they end."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._selector = selectors.DefaultSelector()
        self._lock = threading.Lock()
        self._tails: dict[TaskId, _Tail] = {}
        self._wake_reader, self._wake_writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector.register(self._wake_reader, selectors.EVENT_READ)
        self._started = False

    def follow(self, task_id: TaskId, descriptor: int, stream: str = "") -> None:
        """Copies what comes from the descriptor, which is ours from now on, to the task's log. `stream` empty: the
        engine's frames for both streams."""
        os.set_blocking(descriptor, False)
        with self._lock:
            tail = self._tails.setdefault(task_id, _Tail())
            tail.sources += 1
            tail.drained.clear()
            self._register(descriptor, _Source(task_id, descriptor, stream))

    def when_readable(self, descriptor: int, notify: Callable[[], None]) -> None:
        """Calls `notify` once, when the descriptor, which is ours from now on, becomes readable."""
        with self._lock:
            self._register(descriptor, notify)

    def finish(self, task_id: TaskId, timeout_seconds: float) -> str:
        """Waits until the task's output has ended, and forgets it; returns its last line on stderr, shortened."""
        with self._lock:
            tail = self._tails.get(task_id)
        if tail is None:
            return ""
        if tail.sources and not tail.drained.wait(timeout_seconds):
            log.warning("the output of %s goes on %.0f s after its end: the rest is lost", task_id, timeout_seconds)
            self.abandon(task_id)
        with self._lock:
            self._tails.pop(task_id, None)
        lines = tail.words.decode(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return plain_line(last)[-LAST_WORDS_LENGTH:]

    def is_following(self, task_id: TaskId) -> bool:
        """Whether the task's output is still being copied."""
        with self._lock:
            tail = self._tails.get(task_id)
            return tail is not None and tail.sources > 0

    def abandon(self, task_id: TaskId) -> None:
        """Copies no more of a task's output."""
        with self._lock:
            keys = list(self._selector.get_map().values())
            for source in [key.data for key in keys if isinstance(key.data, _Source)]:
                if source.task_id == task_id:
                    self._close(source)

    def _register(self, descriptor: int, data: _Source | Callable[[], None]) -> None:
        self._selector.register(descriptor, selectors.EVENT_READ, data)
        if not self._started:
            self._started = True
            start_thread("logs", self._run)
        else:
            os.write(self._wake_writer, b"\0")

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.fd == self._wake_reader:
                    os.read(self._wake_reader, READ_BYTES)
                elif isinstance(key.data, _Source):
                    self._read(key.data)
                else:
                    with self._lock:
                        self._selector.unregister(key.fd)
                        os.close(key.fd)
                    key.data()

    def _read(self, source: _Source) -> None:
        with self._lock:
            if source.descriptor < 0:
                return
            try:
                data = os.read(source.descriptor, READ_BYTES)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._close(source)
                return
        if source.stream:
            self._write(source.task_id, source.stream, data)
        else:
            self._unframe(source, data)

    def _close(self, source: _Source) -> None:
        self._selector.unregister(source.descriptor)
        os.close(source.descriptor)
        source.descriptor = -1
        tail = self._tails.get(source.task_id)
        if tail is not None:
            tail.sources -= 1
            if tail.sources == 0:
                tail.drained.set()

    def _unframe(self, source: _Source, data: bytes) -> None:
        """Frames: one byte for the stream, three of nothing, four for the length in network order, then the data."""
        while data:
            if source.frame_left:
                piece, data = data[: source.frame_left], data[source.frame_left :]
                source.frame_left -= len(piece)
                self._write(source.task_id, source.frame_stream, piece)
                continue
            missing = HEADER_BYTES - len(source.header)
            source.header, data = source.header + data[:missing], data[missing:]
            if len(source.header) == HEADER_BYTES:
                source.frame_stream = STREAM_NAMES.get(source.header[0], "stdout")
                source.frame_left = int.from_bytes(source.header[4:])
                source.header = b""

    def _write(self, task_id: TaskId, stream: str, data: bytes) -> None:
        if stream == "stderr":
            tail = self._tails.get(task_id)
            if tail is not None:
                tail.words = (tail.words + data)[-2 * LAST_WORDS_LENGTH :]
        try:
            self._sandbox.append(task_id, stream, data, time.time())
        except OSError as error:
            log.warning("%s of %s: %d bytes are lost, the log cannot be written: %s", stream, task_id, len(data), error)
