"""Takes all of a store out of ZooKeeper, as it was at one moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from kazoo.exceptions import KazooException, NoNodeError

from framework.adapters import marks, nodes
from framework.adapters.checking import Report, check
from framework.adapters.ensemble import Ensemble, SessionLost
from framework.core.model import Instant
from framework.ports import StoreFault
from specs.urls import Url, parse_url

MAX_ROUNDS = 100
"""So often is what has changed meanwhile read again. A round with nothing new to read takes some milliseconds."""
PAUSE_SECONDS = 0.01
CONNECT_SECONDS = 15.0

OnProblem = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)  # without slots, for the report that is kept
class Snapshot:
    """The nodes below a root by path, without those that end with a session. Empty where the root is not there.

    `is_consistent` says whether all of it was so at one moment. `leader` says who led, "" where nobody did.
    """

    url: Url
    taken_at: Instant
    nodes: Mapping[str, bytes]
    is_consistent: bool = True
    leader: str = ""

    @cached_property
    def report(self) -> Report:
        """The contents of the store and its damages."""
        return check(self.nodes)

    @property
    def is_framework(self) -> bool:
        """Whether it is a store, or was to become one by a restore that broke off."""
        return nodes.SCHEMA_NODE in self.nodes

    @property
    def is_half_restored(self) -> bool:
        """Whether a backup is being restored here, or that broke off."""
        return marks.is_being_restored(self.nodes.get(nodes.SCHEMA_NODE, b""))

    @property
    def is_restorable(self) -> bool:
        """Whether a backup may go there without replacing anything of worth."""
        return not self.nodes or self.is_half_restored or (self.is_framework and self.report.is_empty)


def take(url: str, *, on_problem: OnProblem, now: Callable[[], Instant] = time.time) -> Snapshot:
    """All that is below the root, of one moment if that can be had. Changes nothing, and disturbs no scheduler.

    `on_problem` is called as Ensemble calls it. Raises StoreFault, and ValueError for a bad url.
    """
    with opened(url, on_problem) as keeper:
        return read_all(keeper, now())


class Keeper(Ensemble):
    """A session that also tells which nodes have changed."""

    def __init__(self, url: Url, on_problem: OnProblem) -> None:
        super().__init__(url, on_problem=on_problem, on_lost=lambda: None)
        self.url = url

    def changes(self, paths: Sequence[str]) -> list[int | None]:
        """The number of the last change of each node, None where it is not there."""
        stats = self._all(self._client.exists_async, paths)
        return [stat.last_modified_transaction_id if stat else None for stat in stats]

    def contents(self, paths: Sequence[str]) -> list[tuple[bytes, int]]:
        """The data of many nodes, each with the number of its last change. Raises NoNodeError, SessionLost."""
        found = self._all(self._client.get_async, paths)
        return [(data, stat.last_modified_transaction_id) for data, stat in found]

    def is_there(self, path: str) -> bool:
        """Whether there is such a node, as new as all that was written before."""
        return self.change(path) is not None

    def change(self, path: str) -> int | None:
        """The number of the node's last change, as new as all that was written before; None where it is not there."""

        def ask() -> Any:
            self._client.sync_async(path)
            return self._client.exists_async(path).get()

        stat = self._again(ask)
        return stat.last_modified_transaction_id if stat else None


@contextmanager
def opened(url: str, on_problem: OnProblem) -> Iterator[Keeper]:
    """A connection; every way in which it fails is a StoreFault. It must come about in CONNECT_SECONDS."""
    parsed = parse_url(url, "zk")
    problems: list[str] = []

    def hear(problem: str) -> None:
        problems.append(problem)
        if is_connected.is_set():
            on_problem(problem)

    is_connected = threading.Event()
    keeper = Keeper(parsed, hear)
    patience = threading.Timer(CONNECT_SECONDS, keeper.close)
    patience.daemon = True
    patience.start()
    try:
        keeper.wait()
        patience.cancel()
        is_connected.set()
        yield keeper
    except SessionLost as error:
        why = problems[-1].removesuffix(". Trying on") if problems and problems[-1] else str(error)
        text = (
            f"broke off: {error}; try again" if is_connected.is_set() else f"gave up after {CONNECT_SECONDS:g} s: {why}"
        )
        raise StoreFault(f"{parsed}: {text}", temporary=True) from error
    except NoNodeError as error:
        raise StoreFault(
            f"{error} vanished while it was read: does somebody delete below {parsed}?", temporary=True
        ) from error
    except KazooException as error:
        raise StoreFault(
            f"{parsed}: ZooKeeper refused ({type(error).__name__}); its log says more", temporary=False
        ) from error
    finally:
        patience.cancel()
        keeper.close()


def read_all(keeper: Keeper, taken_at: Instant) -> Snapshot:
    """Reads until nobody wrote between the first look at the epoch and the last; again only what has changed."""
    root = keeper.url.root
    if not keeper.is_there(root):
        return Snapshot(url=keeper.url, taken_at=taken_at, nodes={})
    known: dict[str, tuple[bytes, int]] = {}
    is_consistent = False
    for _ in range(MAX_ROUNDS):
        before = _fence(keeper)
        try:
            known = _read_changes(keeper, known)
        except NoNodeError:
            continue
        if _fence(keeper) == before:
            is_consistent = True
            break
        time.sleep(PAUSE_SECONDS)
    leader = _leader(keeper)
    found = {path: data for path, (data, _) in known.items()}
    return Snapshot(url=keeper.url, taken_at=taken_at, nodes=found, is_consistent=is_consistent, leader=leader)


def _fence(keeper: Keeper) -> int | None:
    """The version of the epoch node. Every transaction sets it, so it tells whether somebody has written."""
    return keeper.change(keeper.url.root + nodes.EPOCH_NODE)


def _read_changes(keeper: Keeper, known: Mapping[str, tuple[bytes, int]]) -> dict[str, tuple[bytes, int]]:
    """All nodes: those that are as they were known are not read again. Raises NoNodeError where one vanishes."""
    root = keeper.url.root
    paths = _paths(keeper)
    changes = keeper.changes([root + path for path in paths])
    stale = [path for path, change in zip(paths, changes, strict=True) if known.get(path, (b"", None))[1] != change]
    read = dict(zip(stale, keeper.contents([root + path for path in stale]), strict=True))
    return {path: read[path] if path in read else known[path] for path in paths}


def _paths(keeper: Keeper) -> list[str]:
    """The nodes below the root, strange ones there too; of these not what is below them."""
    root = keeper.url.root
    top = [f"/{name}" for name in keeper.children(root) if f"/{name}" not in nodes.PASSING]
    below = _below(keeper, [path for path in top if path in (*nodes.DIRECTORIES, nodes.ANSWERS_NODE)])
    versions = _below(keeper, [path for path in below if path.startswith(f"{nodes.VERSIONS_NODE}/")])
    return [*top, *below, *versions]


def _below(keeper: Keeper, parents: Sequence[str]) -> list[str]:
    names = keeper.children_of_all([keeper.url.root + parent for parent in parents])
    return [f"{parent}/{name}" for parent, each in zip(parents, names, strict=True) for name in each]


def _leader(keeper: Keeper) -> str:
    try:
        return keeper.get(keeper.url.root + nodes.LEADER_NODE)[0].decode(errors="replace") or "a scheduler"
    except NoNodeError:
        return ""
