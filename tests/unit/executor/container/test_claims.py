"""Claims: one executor has a container, others see it, and looking never takes it away."""

from __future__ import annotations

from uuid import uuid4

import pytest

from executor.container import claims
from executor.container.claims import Claims
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


def test_who_only_looks_does_not_hold_the_name_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    container = uuid4().hex
    looker, taker = Claims(), Claims()

    def held(_container_id: str) -> None:
        raise AssertionError("the name was taken, if only for a moment")

    with monkeypatch.context() as patched:
        patched.setattr(claims, "_bound", held)
        assert not looker.is_taken(container)
    assert taker.take(container, TASK)
    taker.release(container)
