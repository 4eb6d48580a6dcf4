"""The process of a balancer: started, signalled, ended; also one that an earlier process of ours had started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

FIND_SECONDS = 1.0
ASK_SECONDS = 1.0


class BalancerRefused(Exception):
    """A balancer has refused a configuration; the text is the reason."""


class Process:
    """A program whose command names `directory`. It outlives us unless it is ended: a balancer serves on while its
    follower restarts, which then finds it by the pid in our file. HAProxy's own file is missing during a reload."""

    def __init__(self, command: Sequence[str], directory: Path) -> None:
        self._command = tuple(command)
        self._directory = directory
        self._pid_file = directory / "master.pid"
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        """Whether it runs, whoever started it."""
        if self._child is not None:
            return self._child.poll() is None
        return self._found() is not None

    def start(self) -> None:
        """Starts it, apart from our terminal's signals. Raises BalancerRefused if there is no such program."""
        try:
            self._child = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, start_new_session=True)
        except OSError as error:
            raise BalancerRefused(f"{self._command[0]} cannot be started ({error}); install it") from None
        self._pid_file.write_text(f"{self._child.pid}\n")

    def send(self, number: signal.Signals) -> None:
        """Sends it a signal, if it runs."""
        pid = self._child.pid if self._child is not None else self._found()
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def end(self, number: signal.Signals, seconds: float) -> None:
        """Asks it to end, and kills it after so many seconds."""
        deadline = time.monotonic() + seconds
        ask_at = 0.0
        while self.is_running and (now := time.monotonic()) < deadline:
            if now >= ask_at:
                # Again and again: a master that is just beginning anew, as at a reload, does not hear it.
                self.send(number)
                ask_at = now + ASK_SECONDS
            time.sleep(0.05)
        self.send(signal.SIGTERM)

    def said(self) -> str:
        """Its end in words for the user."""
        code = None if self._child is None else self._child.poll()
        return "its own words are above" if code is None else f"exit code {code}; its own words are above"

    def _found(self) -> int | None:
        """The pid in the file, if that is a process of the same command."""
        deadline = time.monotonic() + FIND_SECONDS
        while True:
            try:
                pid = int(self._pid_file.read_text())
                words = Path(f"/proc/{pid}/cmdline").read_bytes()
            except (OSError, ValueError):
                return None
            # They are empty for a moment while it begins anew, as HAProxy's master does at a reload.
            if words or time.monotonic() > deadline:
                return pid if str(self._directory).encode() in words else None
            time.sleep(0.02)
