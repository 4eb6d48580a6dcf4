"""The store in ZooKeeper.

Saves are only queued by `save`; one thread joins all that wait into one transaction, and answers them when it has
happened. While it is under way others gather. Each transaction also sets the epoch node, at the version at which
this store left it: so a store whose place another has taken writes nothing more, a transaction sent twice happens
once, and the number in that node tells after a broken connection whether it did.
"""

from __future__ import annotations

import os
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
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

from framework.adapters import nodes, reading
from framework.adapters.election import Election
from framework.adapters.ensemble import SESSION_SECONDS, UNCERTAIN, Ensemble, SessionLost, parse_url
from framework.adapters.nodes import Epoch, Key, Operation, Unstorable
from framework.adapters.records import NewerSchema, RecordFault
from framework.core.commands import Save
from framework.core.events import Saved, SaveFailed
from framework.core.model import Stored
from framework.ports import Post, StoreFault

MAX_WRITES_PER_SAVE = 250
"""A save of no more writes than this fits one transaction, unless its stacks or versions are large."""
MAX_BREAKS = 5
"""So often may the connection break during one transaction before it counts as refused."""
MAX_PEEKS = 4
"""So often a store is read that changes meanwhile."""


class _Lost(Exception):
    """This store may not write any more; the message says why and what to do."""


class _Deposed(_Lost):
    """Another scheduler has taken the store."""


class _Refused(Exception):
    """ZooKeeper did not perform the transaction, for certain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """A save in its stored form, or why it has none."""

    ticket: int
    changes: dict[Key, bytes | None]
    problem: str = ""


class ZooKeeperStore:
    """framework.ports.Store below the root of `url`: zk://host:port,host:port/root, ValueError for another form.

    `load` takes the store from whoever had it, and comes before the first `save`. `on_problem` is called with a
    sentence when ZooKeeper cannot be reached, again when the reason changes, and with "" when it can be again; until
    then everything waits. `on_lost` is called at most once, with what happened and what to do: nothing is saved or
    answered any more, and the process has to end (`is_deposed` says whether another scheduler has taken over). Both
    are called from threads of the store and must not block. `holder` is who we are, in words for people.
    """

    def __init__(
        self,
        url: str,
        post: Post,
        *,
        on_problem: Callable[[str], None],
        on_lost: Callable[[str], None],
        holder: str = "",
        session_seconds: float = SESSION_SECONDS,
    ) -> None:
        self._url = parse_url(url)
        self._post = post
        self._on_problem = on_problem
        self._on_lost = on_lost
        self._is_standby = False
        self._holder = holder or f"{socket.gethostname()}, process {os.getpid()}"
        self._epoch: Epoch | None = None
        self._fence = 0
        self._image: nodes.Image | None = None
        self._waiting: deque[Save] = deque()
        self._gathered = threading.Condition()
        self._io = threading.Lock()
        self._is_closing = False
        self._is_session_lost = False
        self.is_deposed = False
        self._ensemble = Ensemble(
            self._url, on_problem=on_problem, on_lost=self._session_lost, session_seconds=session_seconds
        )
        self.election = Election(self._ensemble, self._url, self._holder, self._stand_by)
        self._writer = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._writer.start()

    @property
    def session(self) -> tuple[int, bytes] | None:
        """ZooKeeper's id and password of our session, while connected."""
        return self._ensemble.session

    # ---- framework.ports.Store -----------------------------------------------------

    def load(self) -> Stored:
        """All that is stored, after taking the store over (`acquire`). Blocks; raises StoreFault."""
        with self._faults(), self._io:
            if self._epoch is None:
                self._acquire()
            stored, self._image = reading.read(self._ensemble, self._url)
        return stored

    def peek(self) -> Stored:
        """All that is stored, read without taking the store over: as it was between two transactions.

        Blocks; raises StoreFault, also where the leader writes too often for a whole picture.
        """
        if not self._ensemble.is_connected:
            raise StoreFault(f"{self._url} cannot be read: ZooKeeper is not connected", temporary=True)
        with self._faults():
            for _ in range(MAX_PEEKS):
                _, before = reading.epoch(self._ensemble, self._url)
                try:
                    stored, _ = reading.read(self._ensemble, self._url)
                except NoNodeError:
                    continue
                if reading.epoch(self._ensemble, self._url)[1] == before:
                    return stored
        raise StoreFault(
            f"{self._url} changed {MAX_PEEKS} times while it was read: the leader writes much now", temporary=True
        )

    def save(self, command: Save) -> None:
        """Takes a save; Saved or SaveFailed is posted later, in the order of the saves. Never blocks."""
        if self._image is None:
            raise RuntimeError(
                f"save {command.ticket}: wanted load() to be called first; what is stored is not known yet"
            )
        with self._gathered:
            self._waiting.append(command)
            self._gathered.notify_all()

    def close(self) -> None:
        """Ends the session; saves that were not answered may or may not have happened."""
        with self._gathered:
            self._is_closing = True
            self._gathered.notify_all()
        self._ensemble.close()
        if threading.current_thread() is not self._writer:
            self._writer.join()

    # ---- leading -------------------------------------------------------------------

    def acquire(self) -> int:
        """Takes the store: whoever had it writes nothing more. Returns the number of our epoch.

        Makes the root where it is not there. Blocks until ZooKeeper can be reached, and while another holder's session
        lives: who that is goes to `on_problem`. Raises StoreFault.
        """
        with self._faults(), self._io:
            return self._acquire()

    def _stand_by(self, leader: str) -> None:
        self._is_standby = True
        self._on_problem(f"the scheduler at {leader} leads; this one stands by, and takes over when that one is gone")

    def _acquire(self) -> int:
        reading.prepare(self._ensemble, self._url)
        self.election.lead()
        self._ensemble.hold()
        if self._is_standby:
            self._on_problem("")
        while True:
            there, version = reading.epoch(self._ensemble, self._url)
            epoch = Epoch(number=there.number + 1, holder=self._holder)
            transaction = self._ensemble.transaction()
            transaction.set_data(self._path(nodes.EPOCH_NODE), nodes.epoch_node(epoch), version)
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

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Makes every way in which ZooKeeper fails us a StoreFault."""
        try:
            yield
        except SessionLost as error:
            raise StoreFault(f"{self._url} could not be read: {error}", temporary=True) from error
        except NewerSchema as error:
            raise StoreFault(
                f"{error}: a newer framework wrote it. Start that version or a newer one, or name another root",
                temporary=False,
            ) from error
        except RecordFault as error:
            raise StoreFault(str(error), temporary=False) from error
        except NoNodeError as error:
            raise StoreFault(
                f"{error.args[0] if error.args else self._url} vanished while it was read: does somebody delete what is"
                f" below {self._url}? Start again",
                temporary=True,
            ) from error
        except KazooException as error:
            raise StoreFault(
                f"{self._url}: ZooKeeper refused to answer ({_name(error)}); its log says more", temporary=False
            ) from error

    # ---- the writer's thread -------------------------------------------------------

    def _run(self) -> None:
        """Writes what gathers until the store is closed or lost."""
        message = (
            "The store's writer ended on an error of our own; its traceback is on standard error. Nothing is lost:"
            " start the scheduler again, and report this"
        )
        try:
            while (batch := self._next()) is not None:
                with self._io:
                    self._write(batch)
            return
        except _Lost as lost:
            self.is_deposed = isinstance(lost, _Deposed)
            message = str(lost)
        except SessionLost:
            message = self._session_message()
        finally:
            if not self._is_closing:
                self._on_lost(message)

    def _next(self) -> list[_Prepared] | None:
        """Saves for one transaction, as soon as there is one; None once the store is closed."""
        with self._gathered:
            self._gathered.wait_for(lambda: self._waiting or self._is_closing or self._is_session_lost)
            if self._is_closing:
                return None
            if self._is_session_lost:
                raise _Lost(self._session_message())
            image = self._loaded
        filling = nodes.Filling(image)
        batch: list[_Prepared] = []
        while self._waiting:
            prepared = _prepare(self._waiting[0])
            if not filling.takes(prepared.changes):
                break
            self._waiting.popleft()
            batch.append(prepared)
        return batch

    def _write(self, batch: Sequence[_Prepared]) -> None:
        """Writes the saves in one transaction and answers them; in several where they do not fit after all."""
        merged: dict[Key, bytes | None] = {}
        for each in batch:
            merged.update(each.changes)
        try:
            operations = self._loaded.operations(merged)
            cut = nodes.pieces(operations) or [[]]
            if len(cut) > 1 and len(batch) > 1:
                self._write_halves(batch)
                return
            if not all(each.problem for each in batch):
                self._commit_all(cut)
        except (Unstorable, _Refused) as error:
            if len(batch) > 1:
                self._write_halves(batch)
            else:
                self._post(SaveFailed(ticket=batch[0].ticket, problem=str(error)))
            return
        self._loaded.apply(merged, operations)
        for each in batch:
            failed = SaveFailed(ticket=each.ticket, problem=each.problem)
            self._post(failed if each.problem else Saved(ticket=each.ticket))

    def _write_halves(self, batch: Sequence[_Prepared]) -> None:
        half = len(batch) // 2
        self._write(batch[:half])
        self._write(batch[half:])

    def _commit_all(self, cut: Sequence[Sequence[Operation]]) -> None:
        """Performs the transactions of one batch: more than one only for a save that does not fit one."""
        for number, piece in enumerate(cut, 1):
            try:
                self._commit(piece)
            except _Refused as error:
                if number == 1:
                    raise
                raise _Lost(
                    f"A save of {len(cut)} transactions broke off before the one numbered {number}: {error}. Nothing"
                    " was said that rests on it; start the scheduler again, and it reads what is there"
                ) from error

    def _commit(self, piece: Sequence[Operation]) -> None:
        """Performs one transaction exactly once. Raises _Refused where it certainly did not happen, and _Lost."""
        epoch = replace(self._held, transaction=self._held.transaction + 1)
        for _ in range(MAX_BREAKS):
            try:
                results = self._ensemble.send(self._transaction(epoch, piece))
            except UNCERTAIN:
                if self._has_happened(epoch):
                    return
                continue
            except KazooException as error:
                raise _Refused(f"ZooKeeper refused the transaction ({_name(error)}); its log says more") from error
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
        raise _Refused(
            f"ZooKeeper broke the connection {MAX_BREAKS} times during one transaction of {size:,} bytes; check that"
            " its jute.maxbuffer is not below its default of 1,048,575, and its log"
        )

    def _transaction(self, epoch: Epoch, piece: Sequence[Operation]) -> Any:
        transaction = self._ensemble.transaction()
        transaction.set_data(self._path(nodes.EPOCH_NODE), nodes.epoch_node(epoch), self._fence)
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
        """Whether the transaction that was to bring the epoch node to `epoch` did. Raises _Lost."""
        try:
            there, version = reading.epoch(self._ensemble, self._url)
        except (NoNodeError, RecordFault) as error:
            raise self._changed_by_hand(nodes.EPOCH_NODE) from error
        if there.number > epoch.number:
            raise _Deposed(
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
        """What a failed operation means: our picture of the store is wrong, or ZooKeeper says no."""
        if isinstance(error, NoNodeError | NodeExistsError | NotEmptyError):
            return self._changed_by_hand(operation.path)
        return _Refused(f"{self._path(operation.path)}: ZooKeeper refused to write it ({_name(error)})")

    def _changed_by_hand(self, path: str) -> _Lost:
        return _Lost(
            f"{self._path(path)} in ZooKeeper is not as this scheduler left it: somebody else changes what is below"
            f" {self._url.root}. Nothing was written over it; find out who, then start the scheduler again"
        )

    # ---- small things --------------------------------------------------------------

    @property
    def _loaded(self) -> nodes.Image:
        assert self._image is not None, "load() comes before save()"
        return self._image

    @property
    def _held(self) -> Epoch:
        assert self._epoch is not None, "load() comes before save()"
        return self._epoch

    def _path(self, path: str) -> str:
        return self._url.root + path

    def _session_lost(self) -> None:
        """Called from a thread of kazoo's."""
        with self._gathered:
            self._is_session_lost = True
            self._gathered.notify_all()

    def _session_message(self) -> str:
        return (
            f"The session with ZooKeeper at {self._url.addresses} has expired: it did not hear from us for too long."
            " Another scheduler may lead by now. Start this one again; if it happens often, look for a machine that"
            " stalls, or a ZooKeeper that does"
        )


def _prepare(save: Save) -> _Prepared:
    try:
        return _Prepared(ticket=save.ticket, changes=nodes.changes_of(save))
    except Unstorable as error:
        return _Prepared(ticket=save.ticket, changes={}, problem=str(error))


def _failed(results: Sequence[Any]) -> tuple[int, KazooException] | None:
    """The operation that failed, and how; the others of the transaction then only say that they were not done."""
    for position, result in enumerate(results):
        if isinstance(result, KazooException) and not isinstance(result, RolledBackError | RuntimeInconsistency):
            return position, result
    return None


def _name(error: KazooException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
