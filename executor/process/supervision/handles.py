"""The executor's side: starts programs under supervisors, and knows how they end. Every method may be called by any
thread."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from executor.process.supervision.kernel import Streams
from executor.process.supervision.supervisor import KILLED
from executor.process.supervision.wire import Program, send_request
from executor.runtime import Fault

START_SECONDS = 30.0
"""Time-out for a program to have started: a machine that swaps is slow, and a supervisor may be sweeping."""
RECORD_BYTES = 4096
ATTEMPTS = 2
HOME = "FRAMEWORK_SPAWNER_HOME"
MAIN = "executor.process.supervision.spawner"
CODE = f"import os, sys; sys.path.insert(0, os.environ[{HOME!r}]); from {MAIN} import main; main()"

log = logging.getLogger("executor.process.supervision")


class Process:
    """A process that was started, until its end is known. It ends with the executor, whatever ends that."""

    def __init__(self, channel: socket.socket) -> None:
        """Waits until it has started. Raises OSError, ValueError and Fault where it has not."""
        self._channel = channel
        self._lock = threading.Lock()
        self._received = b""
        self._code: int | None = None
        with contextlib.ExitStack() as closing:
            closing.enter_context(channel)
            self.pid = self._started()
            closing.pop_all()

    def _started(self) -> int:
        told = self._record(START_SECONDS)
        if told is None:
            raise Fault(f"its start was not reported within {START_SECONDS:g} s", is_temporary=True)
        if "fault" in told:
            number, name, words = told["fault"]
            raise OSError(number, words, *filter(None, [name])) if number else ValueError(words)
        if "pid" not in told:
            raise Fault("its supervisor was killed before it had started")
        return int(told["pid"])

    def end_descriptor(self) -> int:
        """A new descriptor that can be read once it has ended. Raises OSError where that is known already."""
        with self._lock:
            return os.dup(self._channel.fileno())

    def signal(self, number: int) -> None:
        """Sends a signal to its process group; none where it has ended. Raises PermissionError where it is another
        user's that may not be signalled by this one."""
        if self._code is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, 0)
        # It is the supervisor that sends it, as it alone knows whether the number is still that of the process.
        with contextlib.suppress(OSError):
            self._channel.send(bytes([number]))

    def end(self) -> None:
        """Kills it, and all of its session; a task's process with everything that runs beside and below it."""
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_WR)

    def wait(self, seconds: float | None = None) -> int | None:
        """Its exit code; None where it has not ended within the time."""
        with self._lock:
            if self._code is None:
                told = self._record(seconds)
                if told is None:
                    return None
                # Without a word it was killed together with its supervisor.
                self._code = int(told.get("code", KILLED))
                self._close()
            return self._code

    def _close(self) -> None:
        self._channel.close()

    def _record(self, seconds: float | None) -> dict[str, Any] | None:
        """The next record, {} where no more comes; None where it has not come within the time."""
        while b"\n" not in self._received:
            if not _is_readable(self._channel, seconds):
                return None
            try:
                piece = self._channel.recv(RECORD_BYTES)
            except ConnectionError:
                piece = b""
            if not piece:
                return {}
            self._received += piece
        line, _, self._received = self._received.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        return found


class TaskProcess(Process):
    """A task's own process, beside which commands run under the same supervisor."""

    def __init__(self, channel: socket.socket, control: socket.socket) -> None:
        self._control = control
        self._asking = threading.Lock()
        super().__init__(channel)

    def start_beside(self, program: Program, streams: Streams) -> Process:
        """Starts a command, which ends with this process at the latest. Raises OSError, ValueError and Fault."""
        ours, theirs = socket.socketpair()
        try:
            with self._asking, theirs:
                send_request(self._control, program, (theirs.fileno(), *streams))
        except OSError:
            # A request that was cut off would be the beginning of the next one.
            self._control.close()
            ours.close()
            raise Fault("the process that it was to run beside has ended") from None
        return Process(ours)

    def _close(self) -> None:
        super()._close()
        self._control.close()


class Spawner:
    """Starts tasks' processes by way of the spawner, a process of its own, which is started when first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._asked: socket.socket | None = None

    def start(self, program: Program, streams: Streams) -> TaskProcess:
        """Starts a task's process. Raises OSError, ValueError and Fault."""
        channel, their_channel = socket.socketpair()
        control, their_control = socket.socketpair()
        control.settimeout(START_SECONDS)
        with contextlib.ExitStack() as closing:
            for each in (channel, control):
                closing.enter_context(each)
            with their_channel, their_control, self._lock:
                self._ask(program, (their_channel.fileno(), *streams, their_control.fileno()))
            process = TaskProcess(channel, control)
            closing.pop_all()
        return process

    def _ask(self, program: Program, descriptors: tuple[int, ...]) -> None:
        for attempt in range(ATTEMPTS):
            if self._asked is None:
                self._asked = self._start_spawner()
            try:
                send_request(self._asked, program, descriptors)
                return
            except (ConnectionError, TimeoutError) as error:
                log.warning("the spawner is gone, another is started: %s", error)
                self._asked.close()
                self._asked = None
                if attempt == ATTEMPTS - 1:
                    raise Fault(f"the spawner ended instead of starting it: {error}", is_temporary=True) from error

    def _start_spawner(self) -> socket.socket:
        """Raises Fault."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        # Its modules are where ours are: in the archive.
        environment = {name: text for name, text in os.environ.items() if not name.startswith("MESOS_")}
        environment |= {HOME: str(Path(__file__).parents[3]), "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            ours, theirs = socket.socketpair()
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-sSP", "-c", CODE],
                    env=environment,
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    start_new_session=True,
                )
        except OSError as error:
            # Nothing of the task's own is amiss, so another agent, or another time, is as good as any.
            raise Fault(f"the spawner of processes could not be started: {error}") from error
        ours.settimeout(START_SECONDS)
        return ours


def _is_readable(channel: socket.socket, seconds: float | None) -> bool:
    """Whether there is something to read, or its end, within the time."""
    poll = select.poll()  # select knows no more than 1024 descriptors
    poll.register(channel.fileno(), select.POLLIN)
    return bool(poll.poll(None if seconds is None else max(seconds * 1000, 0)))
