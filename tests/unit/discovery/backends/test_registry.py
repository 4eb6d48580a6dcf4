"""Several back ends as one."""

from __future__ import annotations

from collections.abc import Sequence

from discovery.backends.registry import Done, Several
from discovery.endpoints import Endpoint
from discovery.executor_addresses import Announcement
from specs.ids import TaskId
from tests.kit.memory_registry import MemoryRegistry
from tests.kit.published import WEB


class Away:
    """A back end that answers only when it is told to."""

    def __init__(self) -> None:
        self.answers: list[Done] = []

    def publish(self, endpoint: Endpoint, replaces: Sequence[TaskId] = ()) -> None:
        pass

    def withdraw(self, task_id: TaskId, done: Done) -> None:
        self.answers.append(done)

    def announce(self, announcement: Announcement) -> None:
        pass

    def close(self, seconds: float) -> None:
        pass

    def hand_over(self, seconds: float) -> None:
        pass


def test_one_that_is_away_holds_up_none_of_the_others_but_the_answer() -> None:
    shared: dict[TaskId, Endpoint] = {}
    away, said = Away(), list[str]()
    several = Several([away, MemoryRegistry(shared)])
    several.publish(WEB)
    assert list(shared.values()) == [WEB]
    several.withdraw(WEB.task_id, lambda: said.append("done"))
    assert (shared, said) == ({}, [])
    for done in away.answers:
        done()
    assert said == ["done"]


def test_where_there_is_none_a_withdrawal_is_done_at_once() -> None:
    said: list[str] = []
    Several([]).withdraw(WEB.task_id, lambda: said.append("done"))
    assert said == ["done"]
