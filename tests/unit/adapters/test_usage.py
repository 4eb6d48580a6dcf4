"""Executors are found where they announce themselves, and asked over HTTP; ZooKeeper is played here."""

from __future__ import annotations

from typing import Any

import pytest
from kazoo.exceptions import ConnectionLoss, NoNodeError

from discovery.executor_addresses import Announcement, announcement_json
from framework.adapters import usage as adapter
from framework.adapters.usage import ExecutorUsage
from tests.kit.usage import serving_executor


class FakeAnswer:
    """The answer of ZooKeeper, or an error."""

    def __init__(self, content: Any, is_away: bool) -> None:
        self._content = ConnectionLoss() if is_away else content

    def get(self, timeout: float) -> Any:
        if isinstance(self._content, Exception):
            raise self._content
        return self._content


class FakeZooKeeper:
    """As much of a KazooClient as is used."""

    nodes: dict[str, bytes]
    is_away = False
    reads: list[str]

    def __init__(self, **_settings: Any) -> None:
        """Connects at once, wherever it is told to."""

    def start_async(self) -> FakeZooKeeper:
        return self

    def wait(self, _seconds: float) -> bool:
        return True

    def get_async(self, path: str) -> FakeAnswer:
        type(self).reads.append(path)
        return FakeAnswer((self.nodes[path], None) if path in self.nodes else NoNodeError(), self.is_away)

    def get_children_async(self, root: str) -> FakeAnswer:
        return FakeAnswer([path.removeprefix(f"{root}/") for path in self.nodes], self.is_away)


@pytest.fixture
def zookeeper(monkeypatch: pytest.MonkeyPatch) -> type[FakeZooKeeper]:
    FakeZooKeeper.nodes, FakeZooKeeper.is_away, FakeZooKeeper.reads = {}, False, []
    monkeypatch.setattr(adapter, "KazooClient", FakeZooKeeper)
    return FakeZooKeeper


def _announce(zookeeper: type[FakeZooKeeper], place: Announcement) -> None:
    zookeeper.nodes[f"/f/executors/{place.executor}@{place.agent}"] = announcement_json(place)


def test_executors_are_asked_where_they_say(zookeeper: type[FakeZooKeeper], monkeypatch: pytest.MonkeyPatch) -> None:
    task = {"task": "shop.web.0.1", "cpus": 0.5}
    with serving_executor("agent-1", "e1", [task]) as one, serving_executor("agent-2", "e1", [], answer=b"no") as two:
        for place in (one, two):
            _announce(zookeeper, place)
        usage = ExecutorUsage(["etcd://elsewhere/f", "zk://a:1/f"])
        asked = [(place.agent, place.executor) for place in (one, two)]
        pulled = usage.pull([*asked, (one.agent, two.executor)])
        assert [each.cpus for each in pulled.figures.values()] == [0.5]
        assert list(pulled.silent) == [asked[1]]
        assert f"http://127.0.0.1:{two.port}/v1/usage: its answer is not that of an executor" in pulled.silent[asked[1]]
        assert usage.announced() == (one, two)
        reads = len(zookeeper.reads)
        usage.pull([asked[0]])
        assert len(zookeeper.reads) == reads, "it was asked a moment ago"
        monkeypatch.setattr(adapter, "FRESH_SECONDS", 0.0)
    with serving_executor("agent-1", "e1", [task]) as moved:
        _announce(zookeeper, moved)  # it has started anew, and answers at another port
        assert usage.pull([asked[0]]).silent == {}


def test_why_one_is_silent(zookeeper: type[FakeZooKeeper]) -> None:
    usage = ExecutorUsage(["zk://a:1/f"])
    with serving_executor("agent-1", "e1", []) as place:
        key = (place.agent, place.executor)
        assert usage.pull([key]).silent[key] == "it has not announced where it answers"
        _announce(zookeeper, place)
    usage = ExecutorUsage(["zk://a:1/f"])
    assert "Connection refused" in usage.pull([key]).silent[key]
    zookeeper.is_away = True
    usage = ExecutorUsage(["zk://a:1/f"])
    assert usage.pull([key]).silent[key] == "ZooKeeper at zk://a:1/f does not say where it answers (ConnectionLoss)"
    assert usage.announced() == ()
