"""A term of leadership of the store in ZooKeeper: what makes each of its transactions happen once, or not at all.

Each transaction also sets the epoch node, at the version at which this term left it: so a store whose place another
has taken writes nothing more, a transaction sent twice happens once, and the number in that node tells after a broken
connection whether it did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from kazoo.exceptions import (
    BadVersionError,
    KazooException,
    NodeExistsError,
    NoNodeError,
    NotEmptyError,
    RolledBackError,
    RuntimeInconsistency,
)

from framework.adapters import marks, nodes, reading
from framework.adapters.ensemble import UNCERTAIN, Ensemble
from framework.adapters.image import Operation
from framework.adapters.marks import Epoch
from framework.adapters.packing import RecordFault
from specs.urls import Url

MAX_BREAKS = 5
"""So often may the connection break during one transaction before it counts as refused."""


class TermEnded(Exception):
    """This store may not write any more; the message says why and what to do."""


class Deposed(TermEnded):
    """Another scheduler has taken the store."""


class TransactionRefused(Exception):
    """ZooKeeper did not perform the transaction, for certain."""


class Term:
    """The term that `begin` began; before it nothing is to be written."""

    def __init__(self, ensemble: Ensemble, url: Url, holder: str) -> None:
        self._ensemble = ensemble
        self._url = url
        self._holder = holder
        self._epoch: Epoch | None = None
        self._fence = 0

    @property
    def has_begun(self) -> bool:
        """Whether the store was taken."""
        return self._epoch is not None

    def begin(self) -> int:
        """Takes the store: whoever had it writes nothing more. Returns the number of the epoch.

        Raises KazooException, SessionLost, and RecordFault where what is there is not ours.
        """
        while True:
            there, version = reading.epoch(self._ensemble, self._url)
            epoch = Epoch(number=there.number + 1, holder=self._holder)
            transaction = self._ensemble.transaction()
            transaction.set_data(self._path(nodes.EPOCH_NODE), marks.epoch_node(epoch), version)
            # Looked at again although `prepare` has: while this one stood by, a newer program may have led.
            reading.raise_schema(self._ensemble, self._url, transaction)
            try:
                results = self._ensemble.send(transaction)
            except UNCERTAIN:
                continue
            failed = _failed(results)
            if failed is None:
                self._epoch, self._fence = epoch, results[0].version
                return epoch.number
            if not isinstance(failed[1], BadVersionError):
                raise failed[1]

    def commit(self, piece: Sequence[Operation]) -> None:
        """Performs one transaction exactly once. Raises TransactionRefused where it certainly did not happen, and
        TermEnded."""
        epoch = replace(self._held, transaction=self._held.transaction + 1)
        for _ in range(MAX_BREAKS):
            try:
                results = self._ensemble.send(self._transaction(epoch, piece))
            except UNCERTAIN:
                if self._has_happened(epoch):
                    return
                continue
            except KazooException as error:
                raise TransactionRefused(
                    f"ZooKeeper refused the transaction ({name(error)}); its log says more"
                ) from error
            failed = _failed(results)
            if failed is None:
                self._epoch, self._fence = epoch, results[0].version
                return
            position, refused = failed
            if position > 0:
                raise self._refusal(piece[position - 1], refused)
            if self._has_happened(epoch):
                return
        size = sum(operation.size for operation in piece)
        raise TransactionRefused(
            f"ZooKeeper broke the connection {MAX_BREAKS} times during one transaction of {size:,} bytes; check that"
            " its jute.maxbuffer is not below its default of 1,048,575, and its log"
        )

    def _transaction(self, epoch: Epoch, piece: Sequence[Operation]) -> Any:
        transaction = self._ensemble.transaction()
        transaction.set_data(self._path(nodes.EPOCH_NODE), marks.epoch_node(epoch), self._fence)
        for operation in piece:
            path = self._path(operation.path)
            if operation.data is None:
                transaction.delete(path)
            elif operation.is_new:
                transaction.create(path, operation.data)
            else:
                transaction.set_data(path, operation.data)
        return transaction

    def _has_happened(self, epoch: Epoch) -> bool:
        """Whether the transaction that was to bring the epoch node to `epoch` did. Raises TermEnded."""
        try:
            there, version = reading.epoch(self._ensemble, self._url)
        except (NoNodeError, RecordFault) as error:
            raise self._changed_by_hand(nodes.EPOCH_NODE) from error
        if there.number > epoch.number:
            raise Deposed(
                f"This scheduler was deposed: the store {self._url} was taken over by {there.holder} (epoch"
                f" {there.number}, ours was {epoch.number}). Where that is not wanted, end the other one"
            )
        if (there.number, there.holder) != (epoch.number, epoch.holder):
            raise self._changed_by_hand(nodes.EPOCH_NODE)
        self._fence = version
        if there.transaction == epoch.transaction:
            self._epoch = epoch
            return True
        if there.transaction == epoch.transaction - 1:
            return False
        raise self._changed_by_hand(nodes.EPOCH_NODE)

    def _refusal(self, operation: Operation, error: KazooException) -> Exception:
        """The fault for a failed operation: our image of the store is wrong, or ZooKeeper refuses."""
        if isinstance(error, NoNodeError | NodeExistsError | NotEmptyError):
            return self._changed_by_hand(operation.path)
        return TransactionRefused(f"{self._path(operation.path)}: ZooKeeper refused to write it ({name(error)})")

    def _changed_by_hand(self, path: str) -> TermEnded:
        return TermEnded(
            f"{self._path(path)} in ZooKeeper is not as this scheduler left it: somebody else changes what is below"
            f" {self._url.root}. Nothing was written over it; find out who, then start the scheduler again"
        )

    @property
    def _held(self) -> Epoch:
        assert self._epoch is not None, "begin() comes before commit()"
        return self._epoch

    def _path(self, path: str) -> str:
        return self._url.root + path


def _failed(results: Sequence[Any]) -> tuple[int, KazooException] | None:
    """The operation that failed, and how; the others of the transaction then only say that they were not done."""
    for position, result in enumerate(results):
        if isinstance(result, KazooException) and not isinstance(result, RolledBackError | RuntimeInconsistency):
            return position, result
    return None


def name(error: KazooException) -> str:
    """The name of ZooKeeper's error, for messages."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
