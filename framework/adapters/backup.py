"""Takes all of a store out of ZooKeeper, and puts it back."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from kazoo.client import TransactionRequest
from kazoo.exceptions import KazooException, NoNodeError, RolledBackError, RuntimeInconsistency

from framework.adapters import nodes, records
from framework.adapters.backup_file import Backup
from framework.adapters.checking import Report, check
from framework.adapters.ensemble import UNCERTAIN, Ensemble, SessionLost, Url, parse_url
from framework.adapters.nodes import Epoch, Operation, Rank
from framework.adapters.records import RecordFault
from framework.core.commands import PutFramework
from framework.core.model import Instant
from framework.ports import StoreFault

MAX_ROUNDS = 100
"""So often is what has changed meanwhile read again. A round with nothing new to read takes some milliseconds."""
PAUSE_SECONDS = 0.01
MAX_BREAKS = 5
"""So often may the connection break during one transaction."""
CONNECT_SECONDS = 15.0
SERIAL_MARGIN = 1_000_000
"""The next number for a task is raised by this, for the tasks that were launched since the backup was taken."""

OnProblem = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)  # without slots, for the report that is kept
class Snapshot:
    """What is below a root: nodes by path, without those that end with a session. Nothing where the root is not there.

    `is_consistent` says whether all of it was so at one moment. `leader` says who led, "" where nobody did.
    """

    url: Url
    taken_at: Instant
    nodes: Mapping[str, bytes]
    is_consistent: bool = True
    leader: str = ""

    @cached_property
    def report(self) -> Report:
        """What is in it, and what is wrong with it."""
        return check(self.nodes)

    @property
    def is_framework(self) -> bool:
        """Whether it is a store, or was to become one by a restore that broke off."""
        return nodes.SCHEMA_NODE in self.nodes

    @property
    def is_half_restored(self) -> bool:
        """Whether a backup is being restored here, or that broke off."""
        return nodes.is_being_restored(self.nodes.get(nodes.SCHEMA_NODE, b""))

    @property
    def is_restorable(self) -> bool:
        """Whether a backup may go there without replacing anything of worth."""
        return not self.nodes or self.is_half_restored or (self.is_framework and self.report.is_empty)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a restore has left: the epoch, the next number for a task, and how many nodes it wrote and removed."""

    epoch: int
    next_serial: int
    written: int
    removed: int


def take(url: str, *, on_problem: OnProblem, now: Callable[[], Instant] = time.time) -> Snapshot:
    """All that is below the root, of one moment if that can be had. Changes nothing, and disturbs no scheduler.

    `on_problem` is called as Ensemble calls it. Raises StoreFault, and ValueError for a bad url.
    """
    with _opened(url, on_problem) as keeper:
        return _take(keeper, now())


def restore(backup: Backup, url: str, *, replaces: bool, on_problem: OnProblem) -> Restored:
    """Puts a backup below a root; where something is there only if `replaces`. Raises StoreFault, ValueError.

    Nothing is written unless the backup can be read by a scheduler, and nobody leads. While it is being written, and
    if that breaks off, no scheduler takes the root; the leader's node is held, so that those that start stand by.
    The epoch goes on from the higher one; the next number for a task from the highest, raised by SERIAL_MARGIN.
    """
    report = check(backup.nodes)
    refuse_damaged(report)
    with _opened(url, on_problem) as keeper:
        there = _take(keeper, time.time())
        refuse_root(there, replaces=replaces)
        keeper.hold()
        return _Restoration(keeper, backup, report, there).run()


def refuse_damaged(report: Report) -> None:
    """Raises StoreFault where no scheduler could start with what was reported on."""
    damages = [finding for finding in report.damages if finding.path != nodes.SCHEMA_NODE or report.schema == 0]
    if damages:
        more = f" (and {len(damages) - 1} more; `framework store check FILE` lists them)" if len(damages) > 1 else ""
        raise StoreFault(
            f"The backup cannot be restored, no scheduler would start with it: {damages[0].text}{more}. Nothing was"
            " written",
            temporary=False,
        )


def refuse_root(there: Snapshot, *, replaces: bool) -> None:
    """Raises StoreFault where nothing may be restored to, with what to do."""
    if there.nodes and not there.is_framework:
        names = sorted(there.nodes)
        raise StoreFault(
            f"{there.url} holds what is not ours ({', '.join(names[:3])}{', …' if names[3:] else ''}): name another"
            " root",
            temporary=False,
        )
    if there.leader:
        raise StoreFault(
            f"{there.leader} leads on {there.url}: stop it, and all that stand by, then try again; one that stalls or"
            " was killed is forgotten when its session ends",
            temporary=True,
        )
    schema = there.nodes.get(nodes.SCHEMA_NODE)
    if schema is not None and not there.is_half_restored:
        try:
            nodes.schema_of(schema)
        except RecordFault as error:
            raise StoreFault(
                f"{there.url}{nodes.SCHEMA_NODE} {error}: nothing is written over it; name another root",
                temporary=False,
            ) from error
    if not replaces and not there.is_restorable:
        counts = there.report.counts
        raise StoreFault(
            f"{there.url} is not empty: it holds {counts.stacks} stacks and {counts.tasks} tasks ({counts.living}"
            " living). Name another root, or say --replace to lose what is there",
            temporary=False,
        )


class _Keeper(Ensemble):
    """A session that also tells which nodes have changed."""

    def __init__(self, url: Url, on_problem: OnProblem) -> None:
        super().__init__(url, on_problem=on_problem, on_lost=lambda: None)
        self.url = url

    def changes(self, paths: Sequence[str]) -> list[int | None]:
        """Of each node the number of the change that made it as it is, None where it is not there."""
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
def _opened(url: str, on_problem: OnProblem) -> Iterator[_Keeper]:
    """A connection; every way in which it fails is a StoreFault. It must come about in CONNECT_SECONDS."""
    parsed = parse_url(url)
    problems: list[str] = []

    def hear(problem: str) -> None:
        problems.append(problem)
        if is_connected.is_set():
            on_problem(problem)

    is_connected = threading.Event()
    keeper = _Keeper(parsed, hear)
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


# ---- taking ------------------------------------------------------------------------


def _take(keeper: _Keeper, taken_at: Instant) -> Snapshot:
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


def _fence(keeper: _Keeper) -> int | None:
    """What tells whether somebody has written: every transaction sets the epoch node."""
    return keeper.change(keeper.url.root + nodes.EPOCH_NODE)


def _read_changes(keeper: _Keeper, known: Mapping[str, tuple[bytes, int]]) -> dict[str, tuple[bytes, int]]:
    """All nodes: those that are as they were known are not read again. Raises NoNodeError where one vanishes."""
    root = keeper.url.root
    paths = _paths(keeper)
    changes = keeper.changes([root + path for path in paths])
    stale = [path for path, change in zip(paths, changes, strict=True) if known.get(path, (b"", None))[1] != change]
    read = dict(zip(stale, keeper.contents([root + path for path in stale]), strict=True))
    return {path: read[path] if path in read else known[path] for path in paths}


def _paths(keeper: _Keeper) -> list[str]:
    """The nodes below the root, strange ones there too; of these not what is below them."""
    root = keeper.url.root
    passing = (nodes.LEADER_NODE, nodes.STANDBYS_NODE)
    top = [f"/{name}" for name in keeper.children(root) if f"/{name}" not in passing]
    below = _below(keeper, [path for path in top if path in nodes.DIRECTORIES])
    versions = _below(keeper, [path for path in below if path.startswith(f"{nodes.VERSIONS_NODE}/")])
    return [*top, *below, *versions]


def _below(keeper: _Keeper, parents: Sequence[str]) -> list[str]:
    names = keeper.children_of_all([keeper.url.root + parent for parent in parents])
    return [f"{parent}/{name}" for parent, each in zip(parents, names, strict=True) for name in each]


def _leader(keeper: _Keeper) -> str:
    try:
        return keeper.get(keeper.url.root + nodes.LEADER_NODE)[0].decode(errors="replace") or "a scheduler"
    except NoNodeError:
        return ""


# ---- restoring ---------------------------------------------------------------------


class _Restoration:
    """Writes a backup in transactions that each check the epoch node, as a scheduler does: nobody writes beside it."""

    def __init__(self, keeper: _Keeper, backup: Backup, report: Report, there: Snapshot) -> None:
        self._keeper = keeper
        self._root = keeper.url.root
        self._backup = backup
        self._reports = (report, there.report)
        self._there = there
        self._who = f"framework restore on {socket.gethostname()}, process {os.getpid()}"
        highest = max(_epoch_in(there.nodes).number, _epoch_in(backup.nodes).number)
        self._epoch = Epoch(number=highest + 1, holder=self._who)
        self._fence: int | None = None

    def run(self) -> Restored:
        """Marks the root, empties it, fills it, compares, and takes the mark away. Raises StoreFault, SessionLost."""
        keeper, root = self._keeper, self._root
        keeper.ensure_path(root)
        if nodes.EPOCH_NODE in self._there.nodes:
            self._fence = keeper.get(root + nodes.EPOCH_NODE)[1]
        schema = Operation(
            rank=Rank.FRAMEWORK,
            path=nodes.SCHEMA_NODE,
            data=nodes.restoring_node(),
            is_new=nodes.SCHEMA_NODE not in self._there.nodes,
        )
        self._commit([schema], is_first=True)
        removals = [_removal(path) for path in sorted(self._there.nodes, reverse=True) if _is_content(path)]
        self._commit_all(removals)
        next_serial = self._next_serial()
        wanted = {
            path: data for path, data in self._backup.nodes.items() if path in nodes.DIRECTORIES or _is_content(path)
        }
        wanted[nodes.FRAMEWORK_NODE] = self._framework_node(next_serial)
        left = [path for path in nodes.DIRECTORIES if path in self._there.nodes]
        self._commit_all(_creation(path, wanted[path]) for path in sorted(wanted) if path not in left)
        self._compare(wanted)
        marked = self._backup.nodes[nodes.SCHEMA_NODE]
        self._commit([Operation(rank=Rank.FRAMEWORK, path=nodes.SCHEMA_NODE, data=marked)], is_last=True)
        return Restored(
            epoch=self._epoch.number, next_serial=next_serial, written=len(wanted) - len(left), removed=len(removals)
        )

    def _next_serial(self) -> int:
        return max(max(each.next_serial, each.highest_serial + 1) for each in self._reports) + SERIAL_MARGIN

    def _framework_node(self, next_serial: int) -> bytes:
        data = self._backup.nodes.get(nodes.FRAMEWORK_NODE)
        framework_id = records.framework_of(data).framework_id if data else None
        return records.framework_node(PutFramework(framework_id=framework_id, next_serial=next_serial))

    def _compare(self, wanted: Mapping[str, bytes]) -> None:
        """Reads back what was written. Raises StoreFault."""
        paths = sorted(wanted)
        found = self._keeper.get_all([self._root + path for path in paths])
        wrong = [path for path, data in zip(paths, found, strict=True) if data != wanted[path]]
        if wrong:
            raise StoreFault(
                f"{self._root}{wrong[0]} reads back differently from what was written ({len(wrong)} nodes do): does"
                " somebody else write there? No scheduler takes the root as it is; try again",
                temporary=True,
            )

    def _commit_all(self, operations: Iterable[Operation]) -> None:
        for piece in nodes.pieces(operations):
            self._commit(piece)

    def _commit(self, piece: Sequence[Operation], *, is_first: bool = False, is_last: bool = False) -> None:
        """Performs one transaction exactly once: what is read back tells whether one that broke off has happened."""
        self._epoch = replace(self._epoch, transaction=self._epoch.transaction + 1)
        for _ in range(MAX_BREAKS):
            try:
                results = self._keeper.send(self._transaction(piece, is_first=is_first, is_last=is_last))
            except UNCERTAIN:
                if self._has_happened():
                    return
                continue
            failed = [each for each in results if isinstance(each, KazooException) and not _is_echo(each)]
            if not failed:
                # A node that was created tells its path, one that was set its state.
                self._fence = 0 if self._fence is None else results[0].version
                return
            if self._has_happened():
                return
            raise self._disturbed(failed[0])
        raise StoreFault(
            f"{self._keeper.url}: ZooKeeper broke the connection {MAX_BREAKS} times during one transaction; look at its"
            " log, then try again",
            temporary=True,
        )

    def _transaction(self, piece: Sequence[Operation], *, is_first: bool, is_last: bool) -> TransactionRequest:
        transaction = self._keeper.transaction()
        epoch = self._root + nodes.EPOCH_NODE
        if self._fence is None:
            transaction.create(epoch, nodes.epoch_node(self._epoch))
        else:
            transaction.set_data(epoch, nodes.epoch_node(self._epoch), self._fence)
        if is_first:
            transaction.create(self._root + nodes.LEADER_NODE, self._who.encode(), ephemeral=True)
        for operation in piece:
            path = self._root + operation.path
            if operation.data is None:
                transaction.delete(path)
            elif operation.is_new:
                transaction.create(path, operation.data)
            else:
                transaction.set_data(path, operation.data)
        if is_last:
            transaction.delete(self._root + nodes.LEADER_NODE)
        return transaction

    def _has_happened(self) -> bool:
        try:
            data, version = self._keeper.get(self._root + nodes.EPOCH_NODE)
        except NoNodeError:
            return False
        if _epoch_of(data) != self._epoch:
            return False
        self._fence = version
        return True

    def _disturbed(self, error: Any) -> StoreFault:
        return StoreFault(
            f"{self._keeper.url}: somebody else writes there, or leads, since a moment ago ({type(error).__name__})."
            " Stop all schedulers, then try again",
            temporary=True,
        )


def _is_content(path: str) -> bool:
    """Whether a backup brings the node along: not what says whose the root is, and not what is always there."""
    return nodes.is_ours(path) and path not in (nodes.SCHEMA_NODE, nodes.EPOCH_NODE, *nodes.DIRECTORIES)


def _creation(path: str, data: bytes) -> Operation:
    return Operation(rank=Rank.TASKS, path=path, data=data, is_new=True)


def _removal(path: str) -> Operation:
    return Operation(rank=Rank.OLD_STACK, path=path, data=None)


def _epoch_in(found: Mapping[str, bytes]) -> Epoch:
    return _epoch_of(found.get(nodes.EPOCH_NODE, b""))


def _epoch_of(data: bytes) -> Epoch:
    """The epoch, or that before the first where it cannot be read: the node's version fences all the same."""
    try:
        return nodes.epoch_of(data)
    except RecordFault:
        return Epoch()


def _is_echo(error: KazooException) -> bool:
    """Whether it only says that the operation was not done because another failed."""
    return isinstance(error, RolledBackError | RuntimeInconsistency)
