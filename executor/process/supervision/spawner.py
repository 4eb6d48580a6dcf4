"""The spawner: one small process beside an executor, which starts a supervisor for each task by a mere fork.

An executor has many threads and cannot fork and then run Python; a new Python for each task would cost 30 ms and 8 MB.
It ends when the executor and all supervisors have. Where a supervisor is killed, what that had below it comes to the
spawner, which kills it: only then is the end of the task's process reported. Where the spawner is killed, supervisors
go on, and the executor starts another for those to come.
"""

from __future__ import annotations

import gc
import os
import socket
import sys
import time

from executor.process.supervision import kernel
from executor.process.supervision.supervisor import SWEEP_SECONDS, Supervisor, send
from executor.process.supervision.waking import Waking
from executor.process.supervision.wire import Program, receive_request


class Spawner:
    """`asked` is where the executor asks for supervisors."""

    def __init__(self, asked: socket.socket) -> None:
        self._asked = asked
        self._waking = Waking()
        # The channels of their tasks' processes: those do not end before these are closed.
        self._supervisors: dict[int, socket.socket] = {}
        self._immortal: set[int] = set()

    def run(self) -> None:
        """Returns when nobody asks any more and nothing runs."""
        kernel.adopt_orphans()
        self._waking.register(self._asked.fileno())
        is_asked = True
        while is_asked or self._supervisors:
            if self._waking.wait():
                asked = receive_request(self._asked)
                if asked is None:
                    self._waking.unregister(self._asked.fileno())
                    is_asked = False
                else:
                    self._start(*asked)
            self._reap()

    def _start(self, program: Program, descriptors: list[int]) -> None:
        channel, control = socket.socket(fileno=descriptors[0]), socket.socket(fileno=descriptors[4])
        streams = (descriptors[1], descriptors[2], descriptors[3])
        try:
            pid = os.fork()
        except OSError as error:
            send(channel, fault=[error.errno, "", error.strerror])
            channel.close()
        else:
            if pid == 0:
                self._supervise(program, channel, control, streams)
            self._supervisors[pid] = channel
        control.close()
        for stream in streams:
            os.close(stream)

    def _supervise(
        self, program: Program, channel: socket.socket, control: socket.socket, streams: kernel.Streams
    ) -> None:
        """In the new process; never returns."""
        code = 1
        try:
            os.setsid()
            # What is asked of the spawner, and the ends of other tasks, are none of its business.
            for other in (self._asked, *self._supervisors.values()):
                other.close()
            Supervisor(control).run(program, channel, streams)
            code = 0
        finally:
            sys.stderr.flush()
            if code:
                sys.excepthook(*sys.exc_info())
            os._exit(code)

    def _reap(self) -> None:
        """Takes note of supervisors that have ended. One that was killed leaves children."""
        until = time.monotonic() + SWEEP_SECONDS
        ended: list[socket.socket] = []
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid in self._supervisors:
                ended.append(self._supervisors.pop(pid))
            elif pid == 0:
                strangers = self._strangers() if ended else set()
                if not strangers:
                    break
                if time.monotonic() >= until:
                    self._immortal |= strangers
                    break
                for stranger in strangers:
                    kernel.kill(stranger)
                self._waking.wait_for_child(until - time.monotonic())
        for channel in ended:
            channel.close()

    def _strangers(self) -> set[int]:
        """The processes that supervisors have left, but for those that cannot be killed."""
        children = set(kernel.children())
        self._immortal &= children
        return children - self._supervisors.keys() - self._immortal


def main() -> None:
    """Serves the executor that is at the other end of the standard input."""
    asked = socket.socket(fileno=os.dup(0))
    empty = os.open(os.devnull, os.O_RDWR)
    os.dup2(empty, 0)
    os.close(empty)
    # Pages that no collection touches are shared with all supervisors.
    gc.collect()
    gc.freeze()
    Spawner(asked).run()
