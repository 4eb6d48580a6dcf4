"""The parent of one task's process, of all commands beside that, and of everything below them that is orphaned.

It ends when the process has ended or the executor has, having killed all that is left: no program can leave it, by
whatever forks, sessions and groups. Only a SIGKILL ends it before; then the process gets one from the kernel, and the
spawner kills the rest.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from typing import Any

from executor.process.supervision import kernel
from executor.process.supervision.waking import Waking
from executor.process.supervision.wire import Program, receive_request, record

SWEEP_SECONDS = 5.0
"""Time-out for what was killed to be gone. Longer lives only what hangs in the kernel, or is not ours to kill."""
SIGNALS_BYTES = 64
KILLED = 137
"""The exit code of what SIGKILL has ended."""


class Supervised:
    """A process that was started, and the channel to whoever asked for it."""

    def __init__(self, pid: int, channel: socket.socket, ends_session: bool) -> None:
        self.pid = pid
        self.channel = channel
        self.ends_session = ends_session
        self.code: int | None = None

    def ended(self, code: int) -> None:
        """Reports its exit code, to whom that still interests."""
        send(self.channel, code=code)
        self.channel.close()


class Supervisor:
    """One task's. `control` is where commands beside its process are asked for."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._waking = Waking()
        self._main: Supervised | None = None
        self._beside: dict[int, Supervised] = {}

    def run(self, program: Program, channel: socket.socket, streams: kernel.Streams) -> None:
        """Returns when the program, and all that it has started, has ended."""
        kernel.adopt_orphans()
        main = self._main = self._start(program, channel, streams, is_main=True)
        if main is None:
            return
        self._waking.register(self._control.fileno())
        while main.code is None and self._turn(main):
            self._reap()
        code = self._sweep(main)
        main.ended(code)

    def _turn(self, main: Supervised) -> bool:
        """Does what is asked; says whether the process may run on."""
        by_descriptor = {each.channel.fileno(): each for each in (main, *self._beside.values())}
        for descriptor in self._waking.wait():
            if descriptor == self._control.fileno():
                self._start_beside()
            elif not self._heed(by_descriptor[descriptor]):
                if by_descriptor[descriptor] is main:
                    return False
                self._waking.unregister(descriptor)
                kernel.kill_session(by_descriptor[descriptor].pid)
        return True

    def _heed(self, each: Supervised) -> bool:
        """Passes on the signals that came; says whether it may run on."""
        try:
            numbers = each.channel.recv(SIGNALS_BYTES)
        except ConnectionError:
            return False
        for number in numbers:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(each.pid, number)
        return bool(numbers)

    def _start_beside(self) -> None:
        asked = receive_request(self._control)
        if asked is None:
            self._waking.unregister(self._control.fileno())
            return
        program, (channel, *streams) = asked
        own = (streams[0], streams[1], streams[2])
        started = self._start(program, socket.socket(fileno=channel), own, is_main=False)
        if started is not None:
            self._beside[started.pid] = started

    def _start(
        self, program: Program, channel: socket.socket, streams: kernel.Streams, *, is_main: bool
    ) -> Supervised | None:
        """Starts a program and reports how that went; None where it did not."""
        try:
            pid = kernel.start(program, streams, is_main=is_main)
        except OSError as error:
            send(channel, fault=[error.errno, error.filename or "", error.strerror])
        except (ValueError, subprocess.SubprocessError) as error:
            send(channel, fault=[0, "", str(error)])
        else:
            send(channel, pid=pid)
            self._waking.register(channel.fileno())
            return Supervised(pid, channel, program.ends_session)
        finally:
            for stream in streams:
                os.close(stream)
        channel.close()
        return None

    def _reap(self) -> bool:
        """Takes note of all children that have ended; says whether there are any left."""
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return False
            if found is None:
                return True
            command = self._beside.pop(found.si_pid, None)
            if command is not None and command.ends_session:
                kernel.kill_session(found.si_pid)
            _, status = os.waitpid(found.si_pid, 0)
            code = exit_code(status)
            if command is not None:
                with contextlib.suppress(KeyError):  # it is to end already
                    self._waking.unregister(command.channel.fileno())
                command.ended(code)
            elif self._main is not None and found.si_pid == self._main.pid:
                self._main.code = code

    def _sweep(self, main: Supervised) -> int:
        """Kills all that is left and returns the exit code.

        Children alone are killed, as no other process can have their numbers before they are reaped here; theirs then
        become ours, and are killed next.
        """
        until = time.monotonic() + SWEEP_SECONDS
        while self._reap():
            left = kernel.children()
            if time.monotonic() >= until:
                sys.stderr.write(f"processes that were killed have not ended, or cannot be killed: {left}\n")
                break
            for child in left:
                kernel.kill(child)
            self._waking.wait_for_child(until - time.monotonic())
        return main.code if main.code is not None else KILLED


def send(channel: socket.socket, **content: Any) -> None:
    """Sends a record, to whom that still interests."""
    with contextlib.suppress(ConnectionError):
        channel.sendall(record(**content))


def exit_code(status: int) -> int:
    """As shells say it: 128 and the signal's number for what a signal has ended."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code
