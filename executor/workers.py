"""A small pool of daemon threads that take the most urgent work first."""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable

STACK_BYTES = 512 * 1024


class Workers:
    """Up to `size` threads, started as they are needed. `work` must not raise."""

    def __init__(self, name: str, size: int) -> None:
        self._name = name
        self._size = size
        self._queue: queue.PriorityQueue[tuple[int, int, Callable[[], None]]] = queue.PriorityQueue()
        self._counter = itertools.count()
        self._lock = threading.Lock()
        self._threads = 0
        self._idle = 0

    def submit(self, work: Callable[[], None], priority: int = 0) -> None:
        """Has `work` done: of what waits, the lowest priority goes first, then what came first."""
        with self._lock:
            self._queue.put((priority, next(self._counter), work))
            if self._idle < self._queue.qsize() and self._threads < self._size:
                self._threads += 1
                start_thread(f"{self._name}-{self._threads}", self._run)

    def _run(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
            _, _, work = self._queue.get()
            with self._lock:
                self._idle -= 1
            work()


def start_thread(name: str, target: Callable[[], None]) -> threading.Thread:
    """A daemon thread with a small stack: an executor has many, and each of them does little."""
    threading.stack_size(STACK_BYTES)
    thread = threading.Thread(target=target, name=name, daemon=True)
    thread.start()
    return thread
