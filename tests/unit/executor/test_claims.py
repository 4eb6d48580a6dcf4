"""Claims: one executor has a container, others see it, and looking never takes it away."""

from __future__ import annotations

import threading
from uuid import uuid4

from executor.claims import Claims
from specs.ids import TaskId

TASK = TaskId("shop.web.0.1")


def test_one_executor_has_it_and_others_see_that() -> None:
    container = uuid4().hex
    one, other = Claims(), Claims()
    assert not other.is_taken(container)
    assert one.take(container, TASK) and one.take(container, TASK)
    assert one.task_of(container) == TASK and other.task_of(container) is None
    assert one.is_taken(container) and other.is_taken(container)
    assert not other.take(container, TASK)
    one.release(container)
    assert not other.is_taken(container) and other.take(container, TASK)
    other.release(container)


def test_who_only_looks_keeps_nobody_from_taking_it() -> None:
    container = uuid4().hex
    looker, taker = Claims(), Claims()
    is_over = threading.Event()

    def look() -> None:
        while not is_over.is_set():
            looker.is_taken(container)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for _ in range(500):
            assert taker.take(container, TASK)
            taker.release(container)
    finally:
        is_over.set()
        thread.join()
