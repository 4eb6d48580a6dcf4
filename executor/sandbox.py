"""The executor's sandbox: a directory for each task, its two logs, and the lock that says the executor lives."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections import OrderedDict
from pathlib import Path

from specs.ids import TaskId

LOG_BYTES = 10 * 1024 * 1024
KEPT_ENDED_TASKS = 100
LOCK = ".framework-executor.lock"
STREAMS = ("stdout", "stderr")


class Sandbox:
    """Where tasks write. The logs and directories of the last 100 ended tasks are kept, older ones removed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._ended: OrderedDict[TaskId, None] = OrderedDict()
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

    def append(self, task_id: TaskId, stream: str, data: bytes) -> None:
        """Writes to a log; at 10 MiB it becomes `.1`, of which there is one. Raises OSError."""
        path = self.log(task_id, stream)
        # Opened each time: a hundred tasks would else hold two hundred files open for nothing.
        with path.open("ab", buffering=0) as file:
            file.write(data)
            size = file.tell()
        if size >= LOG_BYTES:
            path.replace(path.with_name(path.name + ".1"))
            path.touch()

    def ended(self, task_id: TaskId) -> None:
        """A task has ended: one of an earlier one may have to go."""
        self._ended[task_id] = None
        while len(self._ended) > KEPT_ENDED_TASKS:
            oldest, _ = self._ended.popitem(last=False)
            for stream in STREAMS:
                self.log(oldest, stream).unlink(missing_ok=True)
                self.log(oldest, stream).with_name(f"{oldest}.{stream}.1").unlink(missing_ok=True)
            shutil.rmtree(self.directory(oldest), ignore_errors=True)


def is_abandoned(executor_sandbox: str) -> bool:
    """Whether the executor that had this sandbox is no more: its sandbox is gone, or nobody holds the lock there."""
    try:
        file = os.open(os.path.join(executor_sandbox, LOCK), os.O_RDWR | os.O_CLOEXEC)  # noqa: PTH118
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(file)
    return True
