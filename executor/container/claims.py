"""Which executor has adopted which container, so that all of an agent know: a container's labels cannot be changed."""

from __future__ import annotations

import socket
import threading

from specs.ids import TaskId

NAME = "\0framework-executor/"
"""Where the names begin, in Linux's abstract name space: there is no file, and a name is free when its owner ends."""


class Claims:
    """The containers that this executor has adopted, each with the task that it belongs to now."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[str, tuple[TaskId, socket.socket]] = {}

    def take(self, container_id: str, task_id: TaskId) -> bool:
        """Claims the container for a task; False if another living executor has it."""
        with self._lock:
            held = self._held.get(container_id)
            claim = held[1] if held is not None else _bound(container_id)
            if claim is None:
                return False
            self._held[container_id] = (task_id, claim)
            return True

    def task_of(self, container_id: str) -> TaskId | None:
        """The task that has adopted the container here, None where none has."""
        with self._lock:
            held = self._held.get(container_id)
            return held[0] if held is not None else None

    def release(self, container_id: str) -> None:
        """Releases the claim on a container that is gone."""
        with self._lock:
            held = self._held.pop(container_id, None)
        if held is not None:
            held[1].close()

    def is_taken(self, container_id: str) -> bool:
        """Whether a living executor, this one or another, has adopted the container."""
        if self.task_of(container_id) is not None:
            return True
        # By asking, not by trying to take it: who comes to adopt it in this very moment must find the name free.
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(NAME + container_id)
            except ConnectionRefusedError:
                return False
        return True


def _bound(container_id: str) -> socket.socket | None:
    """A socket that has the container's name, None where another has it."""
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(NAME + container_id)
    except OSError:
        claim.close()
        return None
    return claim
