"""Requests of spawner and supervisors to the kernel. They have one thread each, so Python may run after a fork."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import signal
import subprocess
from collections.abc import Iterator

from executor.process.supervision.wire import Program

SET_DEATH_SIGNAL = 1
SET_CHILD_SUBREAPER = 36

Streams = tuple[int, int, int]
"""The descriptors that become standard input, output and error."""


def adopt_orphans() -> None:
    """From now on this process is the parent of each descendant whose own parent ends."""
    _control(SET_CHILD_SUBREAPER, 1)


def start(program: Program, streams: Streams, *, is_main: bool) -> int:
    """Starts the program and returns its number; a task's own, `is_main`, is killed when this process ends. Raises
    OSError, and ValueError or SubprocessError for what no program can be given."""
    # Code of ours in the new process costs a whole fork, which commands beside, checks among them, do without.
    bound = functools.partial(_die_with, os.getpid()) if is_main else None
    stdin, stdout, stderr = streams
    process = subprocess.Popen(
        program.command,
        bufsize=0,
        cwd=program.directory,
        env=program.environment,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        start_new_session=program.leads_session,
        user=program.user,
        group=program.group,
        extra_groups=program.groups,
        preexec_fn=bound,
    )
    # It is reaped by its number: subprocess must not do that, too.
    process.returncode = 0
    return process.pid


def _die_with(parent: int) -> None:
    """In the new process. Another user inherits nothing of this, so it comes last."""
    _control(SET_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def children() -> list[int]:
    """The processes whose parent this one is."""
    own = os.getpid()
    try:
        return [int(number) for number in _read(f"/proc/{own}/task/{own}/children").split()]
    except FileNotFoundError:  # a kernel that was built without
        return [number for number in _numbers() if _parent(number) == own]


def kill(number: int) -> None:
    """Kills a process; one that is gone, or may not be killed by us, is left alone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(number, signal.SIGKILL)


def kill_session(leader: int) -> None:
    """Kills a process and its session. The number must still be its own: it has not been reaped."""
    for number in _numbers():
        with contextlib.suppress(ProcessLookupError):
            if os.getsid(number) == leader:
                kill(number)
    kill(leader)


def _numbers() -> Iterator[int]:
    """All processes of this machine."""
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdecimal():
            yield int(name)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123  pathlib is not imported here
        return file.read()


def _parent(number: int) -> int:
    try:
        return int(_read(f"/proc/{number}/stat").rpartition(b")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _control(operation: int, argument: int) -> None:
    """prctl, of which Python knows nothing. Raises OSError."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(operation, *map(ctypes.c_ulong, (argument, 0, 0, 0))):
        number = ctypes.get_errno()
        raise OSError(number, f"prctl {operation}: {os.strerror(number)}")
