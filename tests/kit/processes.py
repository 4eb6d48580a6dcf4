"""Processes of this machine: which there are, whose they are, whether one has ended."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Whether the condition becomes true in time."""
    deadline = time.monotonic() + seconds
    while not (is_true := condition()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return is_true


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or only waits to be reaped by somebody else, or will be so within 5 s."""
    return within(5, lambda: state_of(pid) in "ZX")


def state_of(pid: int) -> str:
    """The letter of its state; X where there is none."""
    try:
        return _fields(pid)[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


def parent_of(pid: int) -> int:
    return int(_fields(pid)[1])


def below(pid: int) -> list[int]:
    """All descendants of a process, zombies included."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*"):
        number = int(path.name)
        try:
            parents[number] = parent_of(number)
        except (FileNotFoundError, ProcessLookupError):
            continue
    found = [pid]
    for each in found:
        found += [child for child, parent in parents.items() if parent == each]
    return found[1:]


def processes_of(sandbox: Path) -> dict[int, str]:
    """The command lines, by number, of all processes of tasks whose sandbox is below this directory."""
    wanted = b"MESOS_SANDBOX=" + os.fsencode(sandbox) + b"/"
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            environment = (path / "environ").read_bytes()
            if wanted in environment and b"FRAMEWORK_TASK=" in environment and state_of(int(path.name)) not in "ZX":
                found[int(path.name)] = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def task_of(pid: int) -> str:
    """The task that a plain process belongs to; "" where it is none, or has ended."""
    try:
        entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return next((each.partition(b"=")[2].decode() for each in entries if each.startswith(b"FRAMEWORK_TASK=")), "")


def _fields(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
