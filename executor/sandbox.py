"""The executor's sandbox: a directory for each task, its two logs, and the lock that says the executor lives."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from specs.ids import TaskId

LOG_BYTES = 10 * 1024 * 1024
KEPT_ENDED_TASKS = 100
LOCK = ".framework-executor.lock"
STREAMS = ("stdout", "stderr")
BESIDE = ("1", "base", "times")
"""Suffixes of files beside a log: its older part, the offsets of its parts, and the times of its lines."""
MARK_SECONDS = 1.0
TIMES_BYTES = 1024 * 1024
"""Limit on the file of times: half a day for a task that writes every second."""


@dataclass(slots=True)
class _Log:
    """`base` bytes were written before the file begins; `marked_at` is when it was last noted when."""

    base: int = 0
    marked_at: float = float("-inf")


class Sandbox:
    """Where tasks write. The logs and directories of the last 100 ended tasks are kept, older ones removed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._ended: OrderedDict[TaskId, None] = OrderedDict()
        self._logs: dict[Path, _Log] = {}
        self._lock = (root / LOCK).open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def log(self, task_id: TaskId, stream: str) -> Path:
        """The file of a task's stdout or stderr."""
        return self.root / f"{task_id}.{stream}"

    def directory(self, task_id: TaskId) -> Path:
        """The directory that is the task's own."""
        return self.root / "tasks" / task_id

    def prepare(self, task_id: TaskId) -> Path:
        """Makes a task's directory and empty logs. Anybody may write to the directory, as who runs in the container is
        the image's affair; who may enter the sandbox above is Mesos's."""
        directory = self.directory(task_id)
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o777)
        for stream in STREAMS:
            self.log(task_id, stream).touch()
        return directory

    def append(self, task_id: TaskId, stream: str, data: bytes, at: float) -> None:
        """Writes to a log what came at that time, in seconds since 1970; at 10 MiB it becomes `.1`, of which there is
        one. Raises OSError."""
        path = self.log(task_id, stream)
        known = self._logs.setdefault(path, _Log())
        # Opened each time: a hundred tasks would else hold two hundred files open for nothing.
        with path.open("ab", buffering=0) as file:
            if not 0 <= at - known.marked_at < MARK_SECONDS:
                _mark(path, at, known.base + file.tell())
                known.marked_at = at
            file.write(data)
            size = file.tell()
        if size >= LOG_BYTES:
            self._rotate(path, known, size)

    def _rotate(self, path: Path, known: _Log, size: int) -> None:
        """Readers count a log's bytes from the task's beginning; `.base` says with which of them a file begins, and
        whether that is changing just now: so they lose nothing, and take nothing twice."""
        newer = known.base + size
        _write_whole(_beside(path, "base"), f"{newer} {known.base} rotating\n".encode())
        path.replace(_beside(path, "1"))
        path.touch()
        _write_whole(_beside(path, "base"), f"{newer} {known.base}\n".encode())
        known.base = newer

    def ended(self, task_id: TaskId) -> None:
        """A task has ended: the files of the oldest ended task are removed."""
        self._ended[task_id] = None
        while len(self._ended) > KEPT_ENDED_TASKS:
            oldest, _ = self._ended.popitem(last=False)
            for path in (self.log(oldest, stream) for stream in STREAMS):
                self._logs.pop(path, None)
                for each in (path, *(_beside(path, suffix) for suffix in BESIDE)):
                    each.unlink(missing_ok=True)
            shutil.rmtree(self.directory(oldest), ignore_errors=True)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(f"{path.name}.{suffix}")


def _mark(path: Path, at: float, offset: int) -> None:
    """Notes when what begins at this byte of the log was written. The older half of many notes goes."""
    times = _beside(path, "times")
    with times.open("ab", buffering=0) as file:
        file.write(f"{at:.3f} {offset}\n".encode())
        is_full = file.tell() >= TIMES_BYTES
    if is_full:
        newer = times.read_bytes()[-TIMES_BYTES // 2 :]
        _write_whole(times, newer[newer.index(b"\n") + 1 :])


def _write_whole(path: Path, content: bytes) -> None:
    """Replaces the file in one step: a reader finds the old content or the new."""
    new = _beside(path, "new")
    new.write_bytes(content)
    new.replace(path)


def is_abandoned(executor_sandbox: str) -> bool:
    """Whether the executor of this sandbox is gone: its sandbox is gone, or nobody holds the lock there."""
    return has_keeper(executor_sandbox) is not True


def has_keeper(executor_sandbox: str) -> bool | None:
    """Whether an executor holds the lock of this sandbox; None where there is no such lock."""
    try:
        file = os.open(os.path.join(executor_sandbox, LOCK), os.O_RDWR | os.O_CLOEXEC)  # noqa: PTH118
    except FileNotFoundError:
        return None
    except OSError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(file)
    return False
