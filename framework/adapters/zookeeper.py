"""The store in ZooKeeper.

Saves are only queued by `save`; one thread joins all that wait into one transaction, and answers them when it has
happened. While it is under way others gather. `term` has it happen once, and only while nobody else took the store.
"""

from __future__ import annotations

import os
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from kazoo.exceptions import KazooException, NoNodeError

from framework.adapters import nodes, reading
from framework.adapters.election import Election
from framework.adapters.ensemble import SESSION_SECONDS, Ensemble, SessionLost
from framework.adapters.image import Filling, Image, Operation, pieces
from framework.adapters.nodes import Key, Unstorable
from framework.adapters.packing import NewerSchema, RecordFault
from framework.adapters.term import Deposed, Term, TermEnded, TransactionRefused, name
from framework.core.commands import Save
from framework.core.events import Saved, SaveFailed
from framework.core.model import Stored
from framework.ports import Post, StoreFault, is_address
from specs.urls import parse_url

MAX_WRITES_PER_SAVE = 250
"""A save of no more writes than this fits one transaction, unless its stacks or versions are large."""
MAX_PEEKS = 4
"""So often a store is read that changes meanwhile."""


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
        self._url = parse_url(url, "zk")
        self._post = post
        self._on_problem = on_problem
        self._on_lost = on_lost
        self._is_standby = False
        self._holder = holder or f"{socket.gethostname()}, process {os.getpid()}"
        self._image: Image | None = None
        self._waiting: deque[Save] = deque()
        self._gathered = threading.Condition()
        self._io = threading.Lock()
        self._is_closing = False
        self._is_session_lost = False
        self.is_deposed = False
        self.transactions = 0
        self.written_bytes = 0
        self._ensemble = Ensemble(
            self._url, on_problem=on_problem, on_lost=self._session_lost, session_seconds=session_seconds
        )
        self._term = Term(self._ensemble, self._url, self._holder)
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
            if not self._term.has_begun:
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
        who = f"the scheduler at {leader} leads" if is_address(leader) else f"{leader}, keeps the leader's place"
        self._on_problem(f"{who}; this one stands by, and takes over when that one is gone")

    def _acquire(self) -> int:
        reading.prepare(self._ensemble, self._url)
        self.election.lead()
        self._ensemble.hold()
        if self._is_standby:
            self._on_problem("")
        return self._term.begin()

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
                f"{self._url}: ZooKeeper refused to answer ({name(error)}); its log says more", temporary=False
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
        except TermEnded as end:
            self.is_deposed = isinstance(end, Deposed)
            message = str(end)
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
                raise TermEnded(self._session_message())
            image = self._loaded
        filling = Filling(image)
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
            cut = pieces(operations) or [[]]
            if len(cut) > 1 and len(batch) > 1:
                self._write_halves(batch)
                return
            if not all(each.problem for each in batch):
                self._commit_all(cut)
        except (Unstorable, TransactionRefused) as error:
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
                self._term.commit(piece)
                self.transactions += 1
                self.written_bytes += sum(operation.size for operation in piece)
            except TransactionRefused as error:
                if number == 1:
                    raise
                raise TermEnded(
                    f"A save of {len(cut)} transactions broke off before the one numbered {number}: {error}. Nothing"
                    " was said that rests on it; start the scheduler again, and it reads what is there"
                ) from error

    # ---- small things --------------------------------------------------------------

    @property
    def _loaded(self) -> Image:
        assert self._image is not None, "load() comes before save()"
        return self._image

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
