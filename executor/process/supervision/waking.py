"""A poll that also wakes when a child has ended. Spawner and supervisors wait in it."""

from __future__ import annotations

import contextlib
import os
import select
import signal

WAKING_BYTES = 4096
IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


class Waking:
    """One a process, made in its only thread. A signal that somebody sends to the process does nothing: it ends with
    the executor, and with that alone."""

    def __init__(self) -> None:
        self._reader, writer = os.pipe()
        for descriptor in (self._reader, writer):
            os.set_blocking(descriptor, False)
        # Not SIG_IGN, which programs that are started would inherit.
        for number in (signal.SIGCHLD, *IGNORED):
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        self._children, self._poll = select.poll(), select.poll()
        for poll in (self._children, self._poll):
            poll.register(self._reader, select.POLLIN)

    def register(self, descriptor: int) -> None:
        self._poll.register(descriptor, select.POLLIN)

    def unregister(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)

    def wait(self) -> list[int]:
        """Returns the descriptors that can be read; perhaps none, as a child has ended."""
        found = [each for each, _ in self._poll.poll()]
        if self._reader in found:
            found.remove(self._reader)
            self._drain()
        return found

    def wait_for_child(self, seconds: float) -> None:
        """Returns when a child has ended, or the time is over."""
        self._children.poll(max(seconds * 1000, 0))
        self._drain()

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._reader, WAKING_BYTES)
