"""The loop: what readers see and when, and how it ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, cast
from unittest.mock import Mock, patch

import pytest

from framework.adapters.clock import SystemClock
from framework.core.commands import Call, Done, Outcome, Refused, Subscribe
from framework.core.events import BecameLeader, Event, FrameworkRefused, ScaleRequested, StackSubmitted, Subscribed
from framework.core.scheduler import Scheduler
from framework.core.volatile import Connection
from framework.exits import ServerExit
from framework.loop import Loop, Stop
from tests.kit.conversation import FRAMEWORK, SETTINGS, group, stack
from tests.kit.memory_store import MemoryStore, Shelf

SECONDS = 20


class QuietMaster:
    """Takes calls and remembers them."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def perform(self, call: Call) -> None:
        self.calls.append(call)

    def close(self) -> None:
        """Nothing to close."""


class Rig:
    """A loop on a thread, with a store in memory."""

    def __init__(self) -> None:
        self.loop = Loop(Scheduler(SETTINGS), SystemClock())
        self.store = MemoryStore(Shelf(), self.loop.post)
        self.master = QuietMaster()
        self.loop.connect(self.store, self.master)
        self.stopped: Future[Stop] = Future()
        self.thread = threading.Thread(target=lambda: self.stopped.set_result(self.loop.run()), daemon=True)

    def lead(self) -> None:
        self.loop.post(BecameLeader(stored=self.store.load()))
        self.loop.post(Subscribed(framework_id=FRAMEWORK, master="127.0.0.1:5050"))

    def submit(self) -> Future[Outcome]:
        return self.loop.request(lambda id: StackSubmitted(request_id=id, stack=stack(group(instances=2))))


@contextmanager
def running() -> Iterator[Rig]:
    rig = Rig()
    rig.thread.start()
    try:
        yield rig
    finally:
        rig.loop.stop()
        rig.thread.join(SECONDS)
        assert not rig.thread.is_alive()


def test_whoever_is_told_done_sees_it_done() -> None:
    with running() as rig:
        rig.lead()
        assert rig.submit().result(SECONDS) == Done(changed=("shop/web",), index=1, message="created")
        assert rig.loop.view.stacks["shop"].groups[0].spec.instances == 2
        assert rig.loop.view.connection is Connection.SUBSCRIBED
        assert rig.master.calls[0] == Subscribe(framework_id=None)


def test_nobody_is_told_done_before_the_store_has_said_so() -> None:
    with running() as rig:
        rig.lead()
        rig.store.hold()
        asked = rig.submit()
        with pytest.raises(TimeoutError):
            asked.result(0.3)
        assert "shop" not in rig.loop.view.stacks
        rig.store.release()
        assert isinstance(asked.result(SECONDS), Done)


def test_what_happens_is_numbered_and_followers_are_woken() -> None:
    with running() as rig:
        woken = threading.Event()
        end = rig.loop.subscribe(woken.set)
        rig.lead()
        rig.submit().result(SECONDS)
        assert woken.wait(SECONDS)
        kinds = [happening.kind for happening in rig.loop.happenings(0)]
        assert kinds == ["Subscribed", "StackChanged"]
        assert [happening.sequence for happening in rig.loop.happenings(1)] == [2]
        end()


def test_a_halt_ends_the_loop_with_its_exit_code() -> None:
    rig = Rig()
    rig.thread.start()
    rig.lead()
    rig.loop.post(FrameworkRefused(message="Framework has been removed"))
    stop = rig.stopped.result(SECONDS)
    assert stop.exit_code == ServerExit.FRAMEWORK_REMOVED
    assert str(FRAMEWORK) in stop.message


def test_a_bug_ends_the_loop_and_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig()

    def broken(event: Event, now: float) -> tuple[()]:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(rig.loop._scheduler, "handle", broken)
    asked = rig.submit()
    rig.thread.start()
    assert rig.stopped.result(SECONDS).exit_code == ServerExit.BUG
    outcome = asked.result(SECONDS)
    assert isinstance(outcome, Refused) and outcome.kind == "unavailable"


def test_an_event_that_the_scheduler_does_not_know_ends_the_loop_as_a_bug() -> None:
    rig = Rig()
    rig.loop.post(cast(Any, object()))
    rig.thread.start()
    assert rig.stopped.result(SECONDS).exit_code == ServerExit.BUG


def test_an_operators_stop_ends_with_zero() -> None:
    rig = Rig()
    rig.loop.stop(Stop(message="SIGTERM received"))
    rig.thread.start()
    assert rig.stopped.result(SECONDS) == Stop(exit_code=0, message="SIGTERM received")


def test_a_hand_over_waits_for_what_is_being_saved_and_begins_nothing_new() -> None:
    with running() as rig:
        rig.lead()
        rig.submit().result(SECONDS)
        rig.store.hold()
        asked = rig.loop.request(lambda id: ScaleRequested(request_id=id, pattern="shop/web", instances=3))
        late = Stop(message="stepping down", starts_again=True)
        rig.loop.hand_over(late)
        refused = rig.submit()
        with pytest.raises(TimeoutError):
            rig.stopped.result(0.3)
        rig.store.release()
        assert rig.stopped.result(SECONDS) == late
        assert isinstance(asked.result(SECONDS), Done), "what was saved is answered"
        outcome = refused.result(SECONDS)
        assert isinstance(outcome, Refused) and outcome.kind == "unavailable"
        afterwards = rig.submit().result(SECONDS)
        assert isinstance(afterwards, Refused), "nobody waits for a loop that has ended"
        assert rig.store.shelf.stacks["shop"].groups[0].instances == 3


def test_a_hand_over_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("framework.loop.HAND_OVER_SECONDS", 0.2)
    with running() as rig:
        rig.lead()
        rig.store.hold()
        asked = rig.submit()
        rig.loop.hand_over(Stop(starts_again=True))
        assert rig.stopped.result(SECONDS).starts_again
        assert isinstance(asked.result(SECONDS), Refused)


def test_a_view_is_of_the_moment_in_which_it_is_read_though_nothing_happened() -> None:
    """Ages in lists are told as of that moment."""
    with running() as rig:
        rig.lead()
        rig.submit().result(SECONDS)
    # The loop has ended: nothing makes another view.
    with patch.object(rig.loop, "_clock", Mock(now=lambda: rig.loop._view.at + 14.0)):
        assert rig.loop.view.at == rig.loop._view.at + 14.0
