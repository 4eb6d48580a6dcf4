"""Puts a backup back into ZooKeeper."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kazoo.client import TransactionRequest
from kazoo.exceptions import KazooException, NoNodeError, RolledBackError, RuntimeInconsistency

from framework.adapters import marks, nodes, records
from framework.adapters.backup_file import Backup
from framework.adapters.checking import Report, check
from framework.adapters.ensemble import UNCERTAIN
from framework.adapters.image import Operation, Rank, pieces
from framework.adapters.marks import Epoch
from framework.adapters.packing import RecordFault
from framework.adapters.snapshot import Keeper, OnProblem, Snapshot, opened, read_all
from framework.core.commands import PutFramework
from framework.ports import StoreFault

MAX_BREAKS = 5
"""So often may the connection break during one transaction."""
SERIAL_MARGIN = 1_000_000
"""The next number for a task is raised by this, for the tasks that were launched since the backup was taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """The result of a restore: the epoch, the next number for a task, and how many nodes it wrote and removed; and the
    framework id that it left out, "" where it did not."""

    epoch: int
    next_serial: int
    written: int
    removed: int
    former_id: str = ""


def restore(backup: Backup, url: str, *, replaces: bool, on_problem: OnProblem, is_as_new: bool = False) -> Restored:
    """Puts a backup below a root; where something is there only if `replaces`. Raises StoreFault, ValueError.

    Nothing is written unless the backup can be read by a scheduler, and nobody leads. While it is being written, and
    if that breaks off, no scheduler takes the root; the leader's node is held, so that those that start stand by.
    The epoch goes on from the higher one; the next number for a task from the highest, raised by SERIAL_MARGIN.
    `is_as_new`: for a framework that Mesos does not know: without the framework id, tasks, agents and answers.
    """
    report = check(backup.nodes)
    refuse_damaged(report)
    with opened(url, on_problem) as keeper:
        there = read_all(keeper, time.time())
        refuse_root(there, replaces=replaces)
        keeper.hold()
        return _Restoration(keeper, backup, report, there, is_as_new=is_as_new).run()


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
            marks.schema_of(schema)
        except RecordFault as error:
            raise StoreFault(
                f"{there.url}{nodes.SCHEMA_NODE} {error}: nothing is written over it; name another root",
                temporary=False,
            ) from error
    if not replaces and not there.is_restorable:
        counts = there.report.counts
        stacks = f"{counts.stacks} stack{'' if counts.stacks == 1 else 's'}"
        tasks = f"{counts.tasks} task{'' if counts.tasks == 1 else 's'}"
        raise StoreFault(
            f"{there.url} is not empty: it holds {stacks} and {tasks} ({counts.living} living). Name another root, or"
            " say --replace to lose what is there",
            temporary=False,
        )


class _Restoration:
    """Writes a backup in transactions that each check the epoch node, as a scheduler does: nobody writes beside it."""

    def __init__(self, keeper: Keeper, backup: Backup, report: Report, there: Snapshot, *, is_as_new: bool) -> None:
        self._keeper = keeper
        self._root = keeper.url.root
        self._backup = backup
        self._reports = (report, there.report)
        self._there = there
        self._is_as_new = is_as_new
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
            data=marks.restoring_node(),
            is_new=nodes.SCHEMA_NODE not in self._there.nodes,
        )
        self._commit([schema], is_first=True)
        removals = [_removal(path) for path in sorted(self._there.nodes, reverse=True) if _is_content(path)]
        self._commit_all(removals)
        next_serial = self._next_serial()
        wanted = {
            path: data
            for path, data in self._backup.nodes.items()
            if path in nodes.DIRECTORIES or (_is_content(path) and not (self._is_as_new and _is_of_framework(path)))
        }
        wanted[nodes.FRAMEWORK_NODE] = self._framework_node(next_serial)
        left = [path for path in nodes.DIRECTORIES if path in self._there.nodes]
        self._commit_all(_creation(path, wanted[path]) for path in sorted(wanted) if path not in left)
        self._compare(wanted)
        marked = self._backup.nodes[nodes.SCHEMA_NODE]
        self._commit([Operation(rank=Rank.FRAMEWORK, path=nodes.SCHEMA_NODE, data=marked)], is_last=True)
        return Restored(
            epoch=self._epoch.number,
            next_serial=next_serial,
            written=len(wanted) - len(left),
            removed=len(removals),
            former_id=self._reports[0].framework_id if self._is_as_new else "",
        )

    def _next_serial(self) -> int:
        return max(max(each.next_serial, each.highest_serial + 1) for each in self._reports) + SERIAL_MARGIN

    def _framework_node(self, next_serial: int) -> bytes:
        data = self._backup.nodes.get(nodes.FRAMEWORK_NODE)
        framework_id = records.framework_of(data).framework_id if data and not self._is_as_new else None
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
        for piece in pieces(operations):
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
            transaction.create(epoch, marks.epoch_node(self._epoch))
        else:
            transaction.set_data(epoch, marks.epoch_node(self._epoch), self._fence)
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


def _is_of_framework(path: str) -> bool:
    """Whether the node tells of what one framework id has in Mesos: nothing of it holds for another one."""
    return path.startswith((f"{nodes.TASKS_NODE}/", f"{nodes.AGENTS_NODE}/", nodes.ANSWERS_NODE))


def _creation(path: str, data: bytes) -> Operation:
    return Operation(rank=Rank.TASKS, path=path, data=data, is_new=True)


def _removal(path: str) -> Operation:
    return Operation(rank=Rank.OLD_STACK, path=path, data=None)


def _epoch_in(found: Mapping[str, bytes]) -> Epoch:
    return _epoch_of(found.get(nodes.EPOCH_NODE, b""))


def _epoch_of(data: bytes) -> Epoch:
    """The epoch, or that before the first where it cannot be read: the node's version fences all the same."""
    try:
        return marks.epoch_of(data)
    except RecordFault:
        return Epoch()


def _is_echo(error: KazooException) -> bool:
    """Whether it only says that the operation was not done because another failed."""
    return isinstance(error, RolledBackError | RuntimeInconsistency)
