"""The publisher that all back ends share, over a scripted back end."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from discovery.backends import publisher
from discovery.backends.publisher import Away, BackendRefused, Publisher
from discovery.endpoints import Endpoint
from discovery.executor_addresses import Announcement
from specs.ids import TaskId
from tests.kit.published import ONE, WEB

WAIT_SECONDS = 20.0


class Scripted:
    """A place whose every call is noted, and fails where it is told to."""

    name = "the back end"
    renew_seconds = 3600.0

    def __init__(self) -> None:
        self.calls: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.faults: dict[str, list[Exception]] = {}
        self.is_anew = True
        self.absence: Exception | None = None

    def _called(self, call: str) -> None:
        self.calls.put(call)
        if self.faults.get(call):
            raise self.faults[call].pop(0)

    def renew(self) -> bool:
        if self.absence is not None:
            raise self.absence
        is_anew, self.is_anew = self.is_anew, False
        self._called("renew")
        return is_anew

    def put(self, endpoint: Endpoint, replaces: Sequence[TaskId]) -> None:
        self._called(" ".join(["put", endpoint.task_id, *replaces]))

    def announce(self, announcement: Announcement) -> None:
        self._called(f"announce {announcement.agent}")

    def remove(self, endpoint: Endpoint) -> None:
        self._called(f"remove {endpoint.task_id}")

    def stop(self, takes_back: bool) -> None:
        self._called(f"stop {takes_back}")

    def next(self, number: int) -> list[str]:
        """The next calls."""
        return [self.calls.get(timeout=WAIT_SECONDS) for _ in range(number)]


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    monkeypatch.setattr(publisher, "TRY_SECONDS", 0.01)
    monkeypatch.setattr(publisher, "AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(publisher, "AWAY_SECONDS", 0.0)
    return Scripted()


@pytest.fixture
def begin(place: Scripted) -> Iterator[Callable[[], Publisher]]:
    begun: list[Publisher] = []

    def begin() -> Publisher:
        begun.append(Publisher(place))
        return begun[-1]

    yield begin
    for each in begun:
        each.close(1.0)


def endpoint(task: str) -> Endpoint:
    return replace(WEB, task_id=TaskId(task))


@pytest.mark.parametrize("absence", [Away("down"), BackendRefused("who are you?")])
def test_what_was_asked_while_it_was_away_is_done_when_it_is_back_of_each_task_the_last(
    absence: Exception, place: Scripted, begin: Callable[[], Publisher], caplog: pytest.LogCaptureFixture
) -> None:
    place.absence = absence
    registry, done = begin(), threading.Event()
    registry.publish(endpoint("a"), [TaskId("before")])
    registry.withdraw(TaskId("a"), done.set)
    registry.announce(ONE)
    assert not done.is_set()
    place.absence = None
    assert place.next(1) == ["renew"]
    assert sorted(place.next(2)) == [f"announce {ONE.agent}", "remove a"]
    assert done.wait(WAIT_SECONDS)
    assert caplog.text.count(f"the back end cannot be reached ({absence})") <= 1


def test_what_is_refused_holds_up_no_other_and_is_told_once(
    place: Scripted, begin: Callable[[], Publisher], caplog: pytest.LogCaptureFixture
) -> None:
    place.faults["put a"] = [BackendRefused("not this one")] * 3
    registry = begin()
    assert place.next(1) == ["renew"]
    registry.publish(endpoint("a"))
    registry.publish(endpoint("b"))
    calls = place.next(5)
    assert (calls.count("put a"), calls.count("put b")) == (4, 1)
    registry.publish(endpoint("c"))
    assert place.next(1) == ["put c"], "a is there by now"
    assert caplog.text.count("endpoint a: the back end refuses it (not this one)") == 1


def test_after_the_loss_of_a_session_all_that_is_wanted_is_published_anew(
    place: Scripted, begin: Callable[[], Publisher]
) -> None:
    registry, done = begin(), threading.Event()
    registry.publish(endpoint("a"))
    registry.publish(endpoint("b"))
    registry.withdraw(TaskId("b"), done.set)
    assert done.wait(WAIT_SECONDS)
    while not place.calls.empty():
        place.calls.get()
    place.is_anew = True
    registry.wake()
    assert place.next(2) == ["renew", "put a"]


@pytest.mark.parametrize("takes_back", [True, False])
def test_the_end_says_whether_it_takes_back_what_is_published(
    place: Scripted, begin: Callable[[], Publisher], takes_back: bool
) -> None:
    registry = begin()
    assert place.next(1) == ["renew"]
    (registry.close if takes_back else registry.hand_over)(WAIT_SECONDS)
    assert place.next(1) == [f"stop {takes_back}"]


def test_who_leaves_has_nothing_said_where_nobody_is(place: Scripted) -> None:
    place.faults["renew"] = [Away("down")] * 100_000
    registry = Publisher(place)
    assert place.next(2) == ["renew", "renew"], "it has heard by now that it is away"
    registry.hand_over(WAIT_SECONDS)
    said = {place.calls.get() for _ in range(place.calls.qsize())}
    assert said <= {"renew"}
