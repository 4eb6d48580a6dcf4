"""Stores for tests, opened on a place of their own, with what they said.

A fixture (tests/conftest.py registers it): `keeper`.
"""

from __future__ import annotations

import base64
import itertools
import json
import queue
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from kazoo.client import KazooClient

from framework.adapters.zookeeper import ZooKeeperStore
from framework.core.commands import Save, Write
from framework.core.events import Event, Saved
from framework.core.model import Stored
from framework.local.daemon import Daemon
from tests.kit.memory_store import MemoryStore, Shelf

SECONDS = 90.0
ROOTS = itertools.count(1)
AnyStore = MemoryStore | ZooKeeperStore


@dataclass
class Opened:
    """A store with what it said."""

    store: AnyStore = field(init=False)
    answers: queue.Queue[Event] = field(default_factory=queue.Queue)
    lost: queue.Queue[str] = field(default_factory=queue.Queue)
    problems: queue.Queue[str] = field(default_factory=queue.Queue)
    tickets: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def save(self, *writes: Write) -> int:
        ticket = next(self.tickets)
        self.store.save(Save(ticket=ticket, writes=writes))
        return ticket

    def answer(self) -> Event:
        return self.answers.get(timeout=SECONDS)

    def saved(self, *writes: Write) -> None:
        """Saves, and waits for it."""
        assert self.answer_to(*writes) == Saved(ticket=self.last)

    def answer_to(self, *writes: Write) -> Event:
        self.last = self.save(*writes)
        return self.answer()


class World:
    """A place where stores keep things; several stores may be opened on it."""

    def __init__(self, make: Callable[[Opened], AnyStore]) -> None:
        self._make = make
        self._open: list[AnyStore] = []

    def open(self) -> Opened:
        opened = Opened()
        opened.store = self._make(opened)
        self._open.append(opened.store)
        return opened

    def loaded(self) -> Opened:
        opened = self.open()
        opened.store.load()
        return opened

    def stored(self) -> Stored:
        """The content that a new store loads."""
        opened = self.open()
        found = opened.store.load()
        opened.store.close()
        return found

    def close(self) -> None:
        for store in self._open:
            store.close()


def memory_world() -> World:
    shelf = Shelf()
    return World(lambda opened: MemoryStore(shelf, opened.answers.put, on_lost=opened.lost.put))


def zookeeper_world(address: str, root: str, session_seconds: float = 4.0, holder: str = "") -> World:
    def make(opened: Opened) -> AnyStore:
        return ZooKeeperStore(
            f"zk://{address}{root}",
            opened.answers.put,
            on_problem=opened.problems.put,
            on_lost=opened.lost.put,
            session_seconds=session_seconds,
            holder=holder,
        )

    return World(make)


def new_root() -> str:
    """A place in ZooKeeper that no other test of this process has."""
    return f"/store-{next(ROOTS)}"


@pytest.fixture
def keeper(zookeeper: Daemon) -> Iterator[KazooClient]:
    """A client that looks at the nodes, and edits them."""
    client = KazooClient(hosts=zookeeper.address)
    client.start()
    yield client
    client.stop()
    client.close()


def transactions(keeper: KazooClient, root: str) -> int:
    """How many a store has made below the root."""
    return int(json.loads(keeper.get(f"{root}/epoch")[0])["transaction"])


def incompressible(length: int, seed: int = 0) -> str:
    """Text that zlib makes little smaller: three quarters of it, as base64 is."""
    return base64.b64encode(random.Random(seed).randbytes(length)).decode()
