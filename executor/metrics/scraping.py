"""Tasks' own metrics: requests their pages, each at its own interval."""

from __future__ import annotations

import logging
import random
import socket
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

from executor.core.order import Order
from executor.core.port_bindings import binding
from executor.core.survey import TaskSnapshot
from executor.http_answers import Answer, host_header, request_bytes
from executor.metrics.exposition import CONTENT_TYPE, parse
from executor.metrics.snapshot import Scraped, labels_of
from executor.workers import Workers
from specs.ids import TaskId

MOST_SAMPLES = 2000
MOST_BYTES = 1024 * 1024
TIMEOUT_SECONDS = 5.0
"""Time-out for a whole answer."""
THREADS = 4
READ_BYTES = 64 * 1024
_OK = 200

log = logging.getLogger("executor.metrics")


class Scraping:
    """The pages of tasks that declare one. `due` is called by one thread, the rest happens in a few others."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._workers = Workers("scrape", THREADS)
        self._lock = threading.Lock()
        self._due_at: dict[TaskId, float] = {}
        self._under_way: set[TaskId] = set()
        self._found: dict[TaskId, Scraped] = {}

    def due(self, tasks: Sequence[TaskSnapshot]) -> float | None:
        """Requests the pages that are due, and forgets those of other tasks; returns when the next one is due."""
        now = self._clock()
        declared = {seen.order.task_id: seen.order for seen in tasks if seen.order.container.metrics is not None}
        with self._lock:
            # An interval that was made shorter counts at once.
            self._due_at = {
                id: min(self._due_at.get(id, now + _spread(order)), now + _interval(order))
                for id, order in declared.items()
            }
            self._found = {id: found for id, found in self._found.items() if id in declared}
            due = [order for id, order in declared.items() if self._due_at[id] <= now]
            self._due_at |= {order.task_id: now + _interval(order) for order in due}
            due = [order for order in due if order.task_id not in self._under_way]
            self._under_way |= {order.task_id for order in due}
            next_at = min(self._due_at.values(), default=None)
        for order in due:
            self._workers.submit(partial(self._scrape, order))
        return next_at

    def found(self, id: TaskId) -> Scraped | None:
        """The latest page of the task; None before the first request, or if it has no page."""
        with self._lock:
            return self._found.get(id)

    def _scrape(self, order: Order) -> None:
        id, began_at = order.task_id, self._clock()
        try:
            families = parse(fetch(order), labels_of(order), MOST_SAMPLES)
            fault = ""
        except (OSError, ValueError) as error:
            families, fault = (), str(error) or type(error).__name__
        with self._lock:
            self._under_way.discard(id)
            if id not in self._due_at:
                return
            before = self._found.get(id)
            self._found[id] = Scraped(families=families, fault=fault, seconds=self._clock() - began_at)
        if fault and not (before is not None and before.fault):
            log.warning("the metrics of %s cannot be had: %s; asking on", id, fault)
        elif not fault and before is not None and before.fault:
            log.info("the metrics of %s can be had again", id)


def fetch(order: Order) -> str:
    """The task's page. Raises OSError, or ValueError where it is too much, or no page."""
    wanted = order.container.metrics
    bound = binding(order, wanted.port) if wanted is not None else None
    if wanted is None or bound is None:
        raise ValueError(f"wanted a port of the task called {wanted.port if wanted else ''!r}, got none")
    deadline = time.monotonic() + TIMEOUT_SECONDS
    headers = (
        ("Host", host_header(bound.address, bound.host_port)),
        ("User-Agent", "framework-executor"),
        ("Accept", CONTENT_TYPE),
        ("Connection", "close"),
    )
    with socket.create_connection((bound.address, bound.host_port), timeout=TIMEOUT_SECONDS) as connection:
        connection.sendall(request_bytes("GET", wanted.path, headers))
        answer, body = Answer(), bytearray()
        while not answer.is_complete:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"not all of it came within {TIMEOUT_SECONDS:g} s")
            connection.settimeout(left)
            body += answer.feed(connection.recv(READ_BYTES))
            if answer.status not in (None, _OK):
                raise ValueError(f"GET {wanted.path} at port {bound.host_port}: wanted 200, got {answer.status}")
            if len(body) > MOST_BYTES:
                raise ValueError(f"wanted {MOST_BYTES // 1024} KiB at most, got more")
    coding = answer.headers.get("content-encoding", "identity")
    if coding != "identity":
        raise ValueError(f"wanted a page as it is, got one in {coding[:40]}, which was not asked for")
    return body.decode()


def _interval(order: Order) -> float:
    return order.container.metrics.interval_seconds if order.container.metrics is not None else 0.0


def _spread(order: Order) -> float:
    """The first time: a moment after the start, not all of an agent's tasks at once."""
    return random.uniform(0.0, min(_interval(order), 5.0))
