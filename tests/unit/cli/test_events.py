"""`framework events -f` over the end of a leader."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from framework.api.app import create_app
from framework.api.info import ExecutorFile
from framework.api.server import Server
from framework.cli import events
from tests.kit.front import FakeFront
from tests.unit.cli.conftest import INFO, Run


def _scheduler(front: FakeFront, port: int) -> Server:
    executor = ExecutorFile(path=Path(__file__), sha256="a1b2")
    return Server(create_app(front, token=None, executor=executor, info=INFO), "127.0.0.1", port)


class Terms:
    """Leaders at one address, one after the other: each ends once it is followed."""

    def __init__(self, *fronts: FakeFront) -> None:
        self._fronts = list(fronts)
        self.port = 0
        self.begin()

    def begin(self, _seconds: float = 0.0) -> None:
        """The next one leads; after the last one the follower is interrupted."""
        if not self._fronts:
            raise KeyboardInterrupt
        front = self._fronts.pop(0)
        server = _scheduler(front, self.port)
        self.port = server.address[1]
        server.start()
        threading.Thread(target=_end, args=(server, lambda: front.subscribers == 1)).start()


def _end(server: Server, is_followed: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_followed() and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    server.stop()


def _front(*names: str) -> FakeFront:
    front = FakeFront()
    for name in names:
        front.happen("TaskRunning", name, stack="shop")
    return front


@pytest.fixture
def follow(run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """The texts of the events that a follower shows while the fronts lead one after the other."""

    def start(*fronts: FakeFront, pattern: str = "") -> list[str]:
        terms = Terms(*fronts)
        monkeypatch.setattr(events, "pause", terms.begin)
        monkeypatch.setenv("FRAMEWORK_URL", f"http://127.0.0.1:{terms.port}")
        result = run("events", "-f", "--json", *([pattern] if pattern else []))
        assert result.stderr.endswith("Aborted!\n"), result.output
        shown = [json.loads(line) for line in result.stdout.splitlines()]
        return [event["kind"] if event["kind"] == "Lagged" else event["text"] for event in shown]

    return start


def test_the_next_leader_has_more_events(follow: Callable[..., list[str]]) -> None:
    """Events are not skipped if another leader numbers them as those already shown."""
    assert follow(_front("a", "b"), _front("c", "d", "e")) == ["a", "b", "Lagged", "c", "d", "e"]


def test_a_follower_that_was_shown_nothing_goes_on_too(follow: Callable[..., list[str]]) -> None:
    old, new = FakeFront(), _front("c")
    old.happen("Subscribed", "to the master")
    assert follow(old, new, pattern="shop") == ["Lagged", "c"]
