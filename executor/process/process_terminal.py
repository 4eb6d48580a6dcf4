"""The terminal of an exec session beside a plain process: pipes, or a terminal of its own."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import selectors
import shutil
import termios
import threading
from collections.abc import Callable, Iterator, Sequence

from executor.process.supervision.handles import Process
from executor.process.supervision.kernel import Streams
from executor.process.supervision.pipes import Pipe, nothing
from executor.runtime import Fault
from executor.terminal import ExecRequest

READ_BYTES = 32 * 1024
END_OF_INPUT = b"\x04"
"""Ctrl-D: a terminal knows no other end."""
LAST_WORDS_SECONDS = 1.0
"""Time-out for further output once the command has ended: another process that holds its output open is not waited
for."""
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

Spawn = Callable[[Sequence[str], Streams], Process]
"""Starts a command line, which leads no session, with copies of these as its standard streams. Raises Fault."""

log = logging.getLogger("executor.terminal")


def start(request: ExecRequest, spawn: Spawn, owner: int | None) -> ProcessTerminal:
    """Starts the command; `owner` is the user whose terminal it is, None for the executor's own. Raises Fault.

    setsid, of util-linux, makes its session and the terminal of that. What it cannot start ends with 127 or 126, as in
    a container.
    """
    setsid = shutil.which("setsid", path=SYSTEM_PATH)
    if setsid is None:
        raise Fault(
            f"a command beside a process wants setsid, of util-linux, in {SYSTEM_PATH}: install it on the agent"
        )
    if not request.has_terminal:
        return _with_pipes(request, [setsid, "--", *request.command], spawn)
    screen, theirs = _terminal(request, owner)
    try:
        process = spawn([setsid, "--ctty", "--", *request.command], (theirs, theirs, theirs))
    except Fault:
        screen.close()
        raise
    finally:
        os.close(theirs)
    return ProcessTerminal(process, {"stdout": screen}, screen, has_terminal=True)


def _with_pipes(request: ExecRequest, command: Sequence[str], spawn: Spawn) -> ProcessTerminal:
    with nothing() as empty, Pipe(is_input=True) as entered, Pipe() as out, Pipe() as errors:
        process = spawn(command, (entered.theirs if request.has_input else empty, out.theirs, errors.theirs))
        sources = {"stdout": io.FileIO(out.take()), "stderr": io.FileIO(errors.take())}
        return ProcessTerminal(process, sources, io.FileIO(entered.take(), "w") if request.has_input else None)


class ProcessTerminal:
    """A Terminal of a plain process. Its command leads a session, all of which ends with it."""

    def __init__(
        self,
        process: Process,
        sources: dict[str, io.FileIO],
        sink: io.FileIO | None,
        *,
        has_terminal: bool = False,
    ) -> None:
        """The files belong to the terminal. The observer of the process calls `ended`."""
        self.process = process
        self._sources = sources
        self._sink = sink
        self._has_terminal = has_terminal
        self._code = 0
        self._is_over = threading.Event()
        self._end_reader, self._end_writer = os.pipe2(os.O_CLOEXEC)

    def ended(self, code: int) -> None:
        """The command has ended with this exit code."""
        self._code = code
        self._is_over.set()
        os.close(self._end_writer)

    def output(self) -> Iterator[tuple[str, bytes]]:
        with selectors.DefaultSelector() as selector:
            for stream, file in self._sources.items():
                selector.register(file, selectors.EVENT_READ, stream)
            selector.register(self._end_reader, selectors.EVENT_READ)
            while selector.get_map():
                ready = selector.select(LAST_WORDS_SECONDS if self._is_over.is_set() else None)
                if not ready:
                    return
                for key, _ in ready:
                    data = _read(key.fileobj) if isinstance(key.fileobj, io.FileIO) else b""
                    if data:
                        yield key.data, data
                    else:
                        selector.unregister(key.fileobj)

    def write(self, data: bytes) -> None:
        left = memoryview(data)
        try:
            while self._sink is not None and left:
                left = left[self._sink.write(left) :]
        except (OSError, ValueError) as error:
            log.debug("a command takes no more input: %s", error)

    def end_input(self) -> None:
        if self._has_terminal:
            self.write(END_OF_INPUT)
        elif self._sink is not None:
            self._sink.close()

    def resize(self, rows: int, columns: int) -> None:
        if self._has_terminal and self._sink is not None:
            try:
                termios.tcsetwinsize(self._sink, (rows, columns))
            except (termios.error, ValueError) as error:
                log.debug("the terminal of a command cannot be resized: %s", error)

    def exit_code(self) -> int:
        if not self._is_over.is_set():
            raise Fault("how the command ended is not known: its output broke off before")
        return self._code

    def kill(self) -> None:
        self.process.end()

    def close(self) -> None:
        for file in (*self._sources.values(), self._sink):
            if file is not None:
                file.close()
        os.close(self._end_reader)


def _terminal(request: ExecRequest, owner: int | None) -> tuple[io.FileIO, int]:
    """A new terminal: our side of it, and the command's. Raises Fault."""
    try:
        ours, theirs = os.openpty()
        if owner is not None:
            with contextlib.suppress(PermissionError):  # nor may we start something as that user then
                os.fchown(theirs, owner, -1)
    except OSError as error:
        raise Fault(f"the agent has no terminal for the command: {error}", is_temporary=True) from error
    if request.rows and request.columns:
        termios.tcsetwinsize(ours, (request.rows, request.columns))
    return io.FileIO(ours, "r+"), theirs


def _read(file: io.FileIO) -> bytes:
    """The bytes that are there; none at the end, which a terminal reports by an error."""
    try:
        return file.read(READ_BYTES) or b""
    except (OSError, ValueError):
        return b""
