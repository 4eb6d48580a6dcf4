"""The client of endpoints for programs, over a directory that the test fills."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import pytest

from discovery.endpoints import Endpoint
from discovery.readers import resolver as module
from discovery.readers.directory import Snapshot
from discovery.readers.resolver import NotRead, Resolver
from tests.kit.template_endpoints import endpoint, groups

ONE, TWO, DEV = endpoint("shop/web", 1, "prod"), endpoint("shop/web", 2, "prod"), endpoint("shop/web", 3, "dev")


class FakeDirectory:
    """A directory without ZooKeeper."""

    def __init__(self, url: str, on_change: Callable[[Snapshot], None]) -> None:
        self.url = url
        self.snapshot = Snapshot()
        self._on_change = on_change

    def wait(self, _seconds: float, after: int = 0) -> Snapshot:
        assert self.snapshot.serial > after or not self.snapshot.serial
        return self.snapshot

    def fill(self, *endpoints: Endpoint) -> None:
        self.snapshot = Snapshot(serial=self.snapshot.serial + 1, groups=groups(*endpoints))
        self._on_change(self.snapshot)


@pytest.fixture
def directory(monkeypatch: pytest.MonkeyPatch) -> list[FakeDirectory]:
    made: list[FakeDirectory] = []

    def make(url: str, on_change: Callable[[Snapshot], None]) -> FakeDirectory:
        made.append(FakeDirectory(url, on_change))
        return made[-1]

    monkeypatch.setattr(module, "Directory", make)
    return made


def test_the_ready_tasks_of_the_groups_with_these_labels(directory: list[FakeDirectory]) -> None:
    resolver = Resolver("zk://a:1/f")
    with pytest.raises(NotRead, match="no endpoints came within 10 s"):
        resolver.endpoints("shop", "web")
    directory[0].fill(ONE, TWO, DEV, endpoint("other/web", 1))
    assert resolver.endpoints("shop", "web") == (ONE, TWO, DEV)
    assert resolver.endpoints("shop", "web", labels={"prod"}) == (ONE, TWO)
    assert resolver.endpoints("shop", "nobody") == ()


def test_a_watch_hears_of_what_it_is_about_and_of_nothing_else(directory: list[FakeDirectory]) -> None:
    resolver, heard = Resolver("zk://a:1/f"), list[tuple[Endpoint, ...]]()
    end = resolver.watch("shop", "web", heard.append, labels={"prod"})
    assert heard == []
    directory[0].fill(ONE)
    directory[0].fill(ONE, DEV)
    directory[0].fill(DEV)
    late = list[tuple[Endpoint, ...]]()
    resolver.watch("shop", "web", late.append)
    end()
    directory[0].fill(TWO)
    assert heard == [(ONE,), ()]
    assert late == [(DEV,), (TWO,)]


def test_changes_one_after_the_other(directory: list[FakeDirectory]) -> None:
    resolver = Resolver("zk://a:1/f")
    directory[0].fill(ONE)
    changes = resolver.changes("shop", "web")
    first = next(changes)
    directory[0].fill(ONE, TWO)
    assert (first, *islice(changes, 1)) == ((ONE,), (ONE, TWO))


def test_a_task_knows_the_address_itself(directory: list[FakeDirectory], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMEWORK_ENDPOINTS", "etcd://b:2/f zk://a:1/f")
    Resolver()
    assert directory[0].url == "zk://a:1/f"
