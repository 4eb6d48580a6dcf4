"""Endpoints without an owner are removed after a while, and no others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import pytest

from discovery.backends.inventory import FoundEndpoint, Inventory
from discovery.backends.janitor import GRACE_SECONDS, MOST_AT_A_TIME, Janitor, Living
from discovery.backends.publisher import Away
from discovery.endpoints import Endpoint
from specs.ids import FrameworkId, TaskId
from specs.urls import Url, parse_url
from tests.kit.published import WEB

OURS = FrameworkId("F-0000")
URLS = (parse_url("zk://a/f", "zk"), parse_url("etcd://a/f", "etcd"))


class World:
    """Two back ends, and the tasks that live."""

    def __init__(self) -> None:
        self.published: dict[str, dict[str, Endpoint]] = {"zk": {}, "etcd": {}}
        self.live: list[TaskId] = []
        self.is_known = True
        self.away: list[str] = []
        self.janitor = Janitor(*URLS, opened=self.opened)
        self.now = 1000.0

    def publish(self, task: str, scheme: str = "zk", framework: FrameworkId | None = OURS) -> None:
        self.published[scheme][task] = replace(WEB, task_id=TaskId(task), framework=framework)

    def look(self, after: float = 0.0) -> int:
        self.now += after
        return self.janitor.look(self.living, self.now)

    def living(self) -> Living | None:
        return Living(framework=OURS, tasks=frozenset(self.live)) if self.is_known else None

    @contextmanager
    def opened(self, url: Url) -> Iterator[Inventory]:
        if url.scheme in self.away:
            raise Away("down")
        yield Shelf(self.published[url.scheme])


class Shelf:
    def __init__(self, published: dict[str, Endpoint]) -> None:
        self._published = published

    def tasks(self) -> Mapping[TaskId, str]:
        return {TaskId(task): f"/at/{task}" for task in self._published}

    def read(self, place: str) -> FoundEndpoint | None:
        endpoint = self._published[place.removeprefix("/at/")]
        return FoundEndpoint(place=place, endpoint=endpoint, mark="1")

    def remove(self, found: FoundEndpoint) -> bool:
        return self._published.pop(found.place.removeprefix("/at/"), None) is not None


@pytest.fixture
def world() -> World:
    return World()


def test_what_nobody_owns_goes_after_the_grace_wherever_it_is(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.live = [TaskId("lives")]
    for scheme in ("zk", "etcd"):
        world.publish("lives", scheme)
        world.publish("left", scheme)
    assert world.look() == 0
    assert world.look(GRACE_SECONDS - 1) == 0
    assert world.look(1) == 2
    assert [list(each) for each in world.published.values()] == [["lives"], ["lives"]]
    assert "endpoint /at/left at zk://a:2181/f was removed: no task owns it" in caplog.text


def test_what_others_published_stays(world: World) -> None:
    world.publish("theirs", framework=FrameworkId("G-0000"))
    world.publish("nobody-says", framework=None)
    for _ in range(3):
        assert world.look(GRACE_SECONDS) == 0
    assert len(world.published["zk"]) == 2


def test_what_is_owned_again_begins_anew(world: World) -> None:
    world.publish("late")
    world.look()
    world.live = [TaskId("late")]
    world.look(GRACE_SECONDS / 2)
    world.live = []
    assert world.look(GRACE_SECONDS / 2) == 0
    assert world.look(GRACE_SECONDS) == 1


def test_while_it_cannot_be_said_who_lives_nothing_goes_and_nothing_counts(world: World) -> None:
    world.publish("left")
    world.look()
    world.is_known = False
    assert world.look(GRACE_SECONDS) == 0
    world.is_known = True
    assert world.look() == 0
    assert world.look(GRACE_SECONDS) == 1


def test_no_more_than_so_many_go_at_a_time_and_those_of_others_are_not_in_the_way(world: World) -> None:
    for number in range(MOST_AT_A_TIME):
        world.publish(f"theirs-{number}", framework=FrameworkId("G-0000"))
    for number in range(MOST_AT_A_TIME + 1):
        world.publish(f"ours-{number}")
    world.look()
    assert [world.look(GRACE_SECONDS), world.look(), world.look(), world.look()] == [0, MOST_AT_A_TIME, 1, 0]


def test_one_that_is_away_is_told_of_once_and_keeps_nobody_from_the_others(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.publish("left", "etcd")
    world.away = ["zk"]
    assert [world.look(), world.look(GRACE_SECONDS)] == [0, 1]
    assert caplog.text.count("endpoints at zk://a:2181/f cannot be looked through: down") == 1
