"""Users' text computed in a process of its own, with limits on its time, its memory and its answer.

A template, or whatever else users write as a program, can take all the memory and time there is: in a process that
others share it would end them too. A `Confined` has a child that imports one module and calls its `answer(request)`,
JSON in and JSON out. The module is named by a text, as whoever confines it must not import it. The child imports from
where this module, its target and `libraries` are: directories, or an executor's archive.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import math
import os
import resource
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

START_SECONDS = 30.0
"""Time-out for the start of a child: on a machine that is short of processors it takes its time."""
_HEAD_BYTES = 8
_PIECE_BYTES = 1 << 16
_CALLED_OFF = "it was called off"
_MEMORY_EXIT = 93
_OUTPUT_EXIT = 94
_PROGRAM = "import sys; sys.path[:0] = sys.argv[2:]; from specs.confined import serve; serve(sys.argv[1])"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits on one call: seconds of processor time (a whole number) and of the clock, bytes of memory (of the child's
    whole address space, about 25 MiB of which is Python's own), bytes of the answer as JSON."""

    cpu_seconds: int = 2
    seconds: float = 10.0
    memory_bytes: int = 128 << 20
    output_bytes: int = 8 << 20


class Exceeded(Exception):
    """A call took more than a limit: which, in words that follow "it takes"."""


class Unavailable(Exception):
    """There is no child, or it ended for another reason: why."""


class Confined:
    """Calls `target` in a child, one call at a time; the child is started when it is needed, and again after its end.

    `libraries` are the modules beside ours that the target needs. Any thread may call.
    """

    def __init__(self, target: str, libraries: Sequence[str] = (), limits: Limits | None = None) -> None:
        self._target = target
        self._libraries = libraries
        self.limits = limits or Limits()
        self._lock = threading.Lock()
        self._child: _Child | None = None
        self._used_at = 0.0
        self._aborting = threading.Lock()
        self._key = ""
        self._is_aborted = False

    def call(
        self,
        request: Any,
        seconds: float | None = None,
        *,
        told: object = None,
        tell: Callable[[], Any] | None = None,
        key: str = "",
    ) -> Any:
        """The target's answer. `seconds` shortens the time of the clock. A child that does not know `told` (compared as
        an object) is first asked what `tell` gives. `key` is what `abort` goes by. Raises Exceeded, Unavailable."""
        with self._lock:
            with self._aborting:
                self._key, self._is_aborted = key, False
            try:
                return self._asked(request, self.limits.seconds if seconds is None else seconds, told, tell)
            except (Exceeded, Unavailable):
                self._end()
                if self._is_aborted:
                    raise Unavailable(_CALLED_OFF) from None
                raise
            finally:
                with self._aborting:
                    self._key = ""
                if self._is_aborted:
                    self._end()
                self._used_at = time.monotonic()

    def abort(self, key: str) -> None:
        """Breaks off the call with this key, if it is under way: it raises Unavailable. Waits for nothing."""
        with self._aborting:
            if key and self._key == key:
                self._is_aborted = True
                if self._child is not None:
                    self._child.kill()

    def _asked(self, request: Any, seconds: float, told: object, tell: Callable[[], Any] | None) -> Any:
        if self._child is None or not self._child.is_alive:
            self._child = _Child(self._target, self._libraries, self.limits)
        if self._is_aborted:
            raise Unavailable(_CALLED_OFF)
        if tell is not None and self._child.told is not told:
            self._child.tell(tell(), told)
        return self._child.ask(request, min(seconds, self.limits.seconds))

    def _end(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None

    def close(self, idle_seconds: float = 0.0) -> None:
        """Ends the child, if it was not used for so long; a later call starts another."""
        with self._lock:
            if time.monotonic() - self._used_at >= idle_seconds:
                self._end()


class _Child:
    """A running child, seen from its parent."""

    def __init__(self, target: str, libraries: Sequence[str], limits: Limits) -> None:
        self._limits = limits
        self.told: object = None
        command = [sys.executable or "python3", "-I", "-S", "-B", "-c", _PROGRAM, target, *_paths(target, libraries)]
        given = {"FRAMEWORK_CONFINED": json.dumps([limits.cpu_seconds, limits.memory_bytes, limits.output_bytes])}
        try:
            self._process = subprocess.Popen(
                command,
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=given,
                start_new_session=True,
            )
        except OSError as error:
            raise Unavailable(f"{command[0]} could not be started: {error}") from error
        assert self._process.stdin is not None and self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        for pipe in (self._stdin, self._stdout):
            os.set_blocking(pipe.fileno(), False)
        try:
            self._read(time.monotonic() + START_SECONDS)
        except (Exceeded, Unavailable, TimeoutError) as fault:
            self.end()
            raise Unavailable(f"its process did not start: {fault or 'it took too long'}") from None

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def tell(self, request: Any, told: object) -> None:
        """Makes `told` known, which is no call that could exceed anything."""
        try:
            self.ask(request, START_SECONDS)
        except Exceeded as too_much:
            raise Unavailable(f"what it has to know takes {too_much}") from None
        self.told = told

    def ask(self, request: Any, seconds: float) -> Any:
        """The answer to a request. Raises Exceeded, Unavailable."""
        until = time.monotonic() + seconds
        data = json.dumps(request, separators=(",", ":")).encode()
        try:
            self._write(len(data).to_bytes(_HEAD_BYTES) + data, until)
            return json.loads(self._read(until))
        except TimeoutError:
            raise Exceeded(f"more than {seconds:.3g} s") from None

    def kill(self) -> None:
        """Has it killed, whatever it does."""
        with contextlib.suppress(OSError):
            self._process.kill()

    def end(self) -> None:
        """Has it killed, and forgets it."""
        self.kill()
        self._process.wait()
        self._stdin.close()
        self._stdout.close()

    def _write(self, data: bytes, until: float) -> None:
        left = memoryview(data)
        while left:
            _wait(self._stdin.fileno(), selectors.EVENT_WRITE, until)
            try:
                left = left[os.write(self._stdin.fileno(), left[:_PIECE_BYTES]) :]
            except BrokenPipeError:
                raise self._death() from None

    def _read(self, until: float) -> bytes:
        length = int.from_bytes(self._read_bytes(_HEAD_BYTES, until))
        if length > self._limits.output_bytes:
            raise Exceeded(f"more than {self._limits.output_bytes:,} bytes of answer")
        return self._read_bytes(length, until)

    def _read_bytes(self, count: int, until: float) -> bytes:
        data = bytearray()
        while len(data) < count:
            _wait(self._stdout.fileno(), selectors.EVENT_READ, until)
            piece = os.read(self._stdout.fileno(), min(count - len(data), _PIECE_BYTES))
            if not piece:
                raise self._death()
            data += piece
        return bytes(data)

    def _death(self) -> Exception:
        """Why the child has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        code = self._process.poll()
        if code == -signal.SIGXCPU:
            return Exceeded(f"more than {self._limits.cpu_seconds} s of processor time")
        if code in (_MEMORY_EXIT, -signal.SIGKILL):
            return Exceeded(f"more than {self._limits.memory_bytes >> 20} MiB of memory")
        if code == _OUTPUT_EXIT:
            return Exceeded(f"more than {self._limits.output_bytes:,} bytes of answer")
        return Unavailable(f"its process ended with {code}")


def _wait(descriptor: int, event: int, until: float) -> None:
    with selectors.PollSelector() as selector:
        selector.register(descriptor, event)
        if not selector.select(max(until - time.monotonic(), 0.0)):
            raise TimeoutError


def _paths(target: str, libraries: Sequence[str]) -> list[str]:
    """Where the modules are imported from that the child needs."""
    found: dict[str, None] = {}
    for name in (__name__, target, *libraries):
        top = find_spec(name.partition(".")[0])
        if top is None or top.origin is None:
            raise Unavailable(f"there is no module {name}")
        place = Path(top.origin).parent
        found[str(place.parent if top.submodule_search_locations is not None else place)] = None
    return list(found)


# ---- in the child -------------------------------------------------------------------


def serve(target: str) -> None:
    """Answers requests until there are no more: the child's whole life."""
    cpu_seconds, memory_bytes, output_bytes = json.loads(os.environ["FRAMEWORK_CONFINED"])
    incoming, outgoing = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    with contextlib.suppress(OSError):  # where the kernel is short of memory, this goes before its parent
        Path("/proc/self/oom_score_adj").write_text("1000")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answer = importlib.import_module(target).answer
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    _send(outgoing, b"null")
    while (data := _received(incoming)) is not None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        soft = math.ceil(used.ru_utime + used.ru_stime) + cpu_seconds
        resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))
        try:
            text = json.dumps(answer(json.loads(data))).encode()
        except MemoryError:
            os._exit(_MEMORY_EXIT)
        if len(text) > output_bytes:
            os._exit(_OUTPUT_EXIT)
        _send(outgoing, text)


def _received(descriptor: int) -> bytes | None:
    head = _exactly(descriptor, _HEAD_BYTES)
    return None if head is None else _exactly(descriptor, int.from_bytes(head))


def _exactly(descriptor: int, count: int) -> bytes | None:
    data = bytearray()
    while len(data) < count:
        piece = os.read(descriptor, min(count - len(data), _PIECE_BYTES))
        if not piece:
            return None
        data += piece
    return bytes(data)


def _send(descriptor: int, data: bytes) -> None:
    left = memoryview(len(data).to_bytes(_HEAD_BYTES) + data)
    while left:
        left = left[os.write(descriptor, left) :]
