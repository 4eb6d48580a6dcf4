"""The election: ephemeral nodes below the store's root name the leader and the standbys.

The leader's node holds its address; each standby has a node named by its own. Both go with their session. What keeps
two from working at once is not these nodes but the epoch, which every transaction of the store checks.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

from kazoo.client import KazooClient
from kazoo.exceptions import BadVersionError, KazooException, NodeExistsError, NoNodeError, SessionExpiredError
from kazoo.handlers.threading import KazooTimeoutError

from framework.adapters import marks, nodes
from framework.adapters.ensemble import Ensemble, SessionLost
from framework.adapters.packing import RecordFault
from framework.ports import Member, Members, StoreFault
from specs.urls import Url

STANDBYS_NODE = "/standbys"
NEXT = b"next"
"""The content of the standby's node that shall lead next."""
LOOK_SECONDS = 1.0
"""A standby is woken when the leader's node changes; it looks as often as this in any case."""
TURN_SECONDS = 0.05
SUCCESSION_SECONDS = 2.0
"""For so long the others leave the place to the one that shall lead next."""
ANSWER_SECONDS = 3.0


class Election:
    """Leads below the root of `url` as `who`, host:port. `on_wait` is called with who leads meanwhile, whenever that
    is another. Safe from any thread; `lead` is for one."""

    def __init__(self, ensemble: Ensemble, url: Url, who: str, on_wait: Callable[[str], None]) -> None:
        self._ensemble = ensemble
        self._who = who
        self._on_wait = on_wait
        self._path = url.root + nodes.LEADER_NODE
        self._epoch_path = url.root + nodes.EPOCH_NODE
        self._standbys_path = url.root + STANDBYS_NODE
        self._changed = threading.Event()
        self._said = ""
        self._registered: int | None = None
        self._free_since: float | None = None
        self.is_leader = False
        self.is_standby = False
        self.leader = ""
        """The content of the leader's node as last read: the leader's address, "" while nobody leads."""
        self.term = ""
        """The session that has the leader's node, as far as is known: another process at its address has another."""

    def lead(self) -> None:
        """Waits until the leader's node is this session's. Until then this scheduler is among the standbys.

        A node that says `who` itself was left by a process that is no more, for two cannot have one address: it is
        not waited for. A session that ends meanwhile is followed by another. Raises SessionLost when it is closed.
        """
        while True:
            self._changed.clear()
            try:
                if self._ensemble.again(self._try):
                    return
            except SessionLost:
                if self._ensemble.is_over:
                    raise
                self._registered = None
                continue
            self._changed.wait(LOOK_SECONDS if self._free_since is None else TURN_SECONDS)

    def confirm(self) -> bool:
        """Whether this scheduler leads, as ZooKeeper says now; False where it does not answer within 3 s."""
        try:
            _, stat = self._answer(lambda client: client.get_async(self._path))
        except (NoNodeError, StoreFault):
            return False
        return bool(stat.ephemeralOwner == self._ensemble.session_id)

    def has_lost(self) -> bool:
        """Whether another may lead by now, as ZooKeeper says; False where it does not answer within 3 s.

        Asked again when the connection breaks: who was stopped for long finds it closed, and hears on the next one only
        that the session is over.
        """
        end = time.monotonic() + ANSWER_SECONDS
        while True:
            try:
                _, stat = self._answer(lambda client: client.get_async(self._path))
            except NoNodeError:
                return True
            except StoreFault as fault:
                if self._ensemble.is_over or isinstance(fault.__cause__, SessionExpiredError):
                    return True
                if time.monotonic() >= end:
                    return False
                continue
            return bool(stat.ephemeralOwner != self._ensemble.session_id)

    def members(self) -> Members:
        """The leader and the standbys, as ZooKeeper reports them now. Blocks for some seconds at most; raises
        StoreFault."""
        try:
            data, _ = self._answer(lambda client: client.get_async(self._epoch_path))
            epoch = marks.epoch_of(data).number
        except (NoNodeError, RecordFault) as error:
            raise StoreFault(f"{self._epoch_path} cannot be read: {error}", temporary=True) from error
        return Members(
            leader=self._member(self._path, ""),
            epoch=epoch,
            standbys=tuple(
                found
                for name in self._standbys()
                if (found := self._member(f"{self._standbys_path}/{name}", name)) is not None
            ),
        )

    def name_next(self, address: str) -> bool:
        """Marks the standby with this address: the others let it lead next. False where it does not stand by.

        Raises StoreFault.
        """
        try:
            self._answer(lambda client: client.set_async(f"{self._standbys_path}/{address}", NEXT))
        except NoNodeError:
            return False
        return True

    # ---- one try -------------------------------------------------------------------

    def _try(self, client: KazooClient) -> bool:
        """Whether the leader's node is ours now; else who has it is known, and its end wakes us."""
        try:
            data, stat = client.get_async(self._path, watch=self._wake).get()
        except NoNodeError:
            self.leader = self.term = ""
            return not self._is_anothers_turn(client) and self._take(client)
        self._free_since = None
        if stat.ephemeralOwner == client.client_id[0]:
            return self._leads(client)
        if data == self._who.encode():
            with contextlib.suppress(NoNodeError, BadVersionError):  # or it has just gone, or changed hands
                client.delete_async(self._path, version=stat.version).get()
            self._changed.set()
            return False
        self._stand_by(client, data.decode(errors="replace"), _term(stat.ephemeralOwner))
        return False

    def _take(self, client: KazooClient) -> bool:
        try:
            client.create_async(self._path, self._who.encode(), ephemeral=True).get()
        except NodeExistsError:
            self._changed.set()
            return False
        return self._leads(client)

    def _leads(self, client: KazooClient) -> bool:
        if self._registered is not None:
            self._registered = None
            with contextlib.suppress(NoNodeError):  # or somebody deleted it by hand
                client.delete_async(self._own_path).get()
        self.leader, self.is_leader, self.is_standby = self._who, True, False
        self.term = _term(client.client_id[0])
        return True

    def _stand_by(self, client: KazooClient, leader: str, term: str) -> None:
        if self._registered != client.client_id[0]:
            self._register(client)
        self.leader, self.term, self.is_standby = leader, term, True
        if leader != self._said:
            self._said = leader
            self._on_wait(leader)

    def _register(self, client: KazooClient) -> None:
        while True:
            try:
                client.create_async(self._own_path, b"", ephemeral=True, makepath=True).get()
                break
            except NodeExistsError:
                stat = client.exists_async(self._own_path).get()
                if stat is not None and stat.ephemeralOwner == client.client_id[0]:
                    break
                try:  # of our dead predecessor
                    client.delete_async(self._own_path).get()
                except NoNodeError:
                    continue
        self._registered = client.client_id[0]

    def _is_anothers_turn(self, client: KazooClient) -> bool:
        """Whether the place is free, but another standby was named to take it, and has had little time yet."""
        now = time.monotonic()
        self._free_since = self._free_since or now
        if now - self._free_since >= SUCCESSION_SECONDS:
            return False
        try:
            names = client.get_children_async(self._standbys_path).get()
        except NoNodeError:
            return False
        for name in names:
            try:
                if name != self._who and client.get_async(f"{self._standbys_path}/{name}").get()[0] == NEXT:
                    return True
            except NoNodeError:
                continue
        return False

    def _wake(self, _event: Any) -> None:
        """Called by kazoo; must not block."""
        self._changed.set()

    # ---- looking -------------------------------------------------------------------

    @property
    def _own_path(self) -> str:
        return f"{self._standbys_path}/{self._who}"

    def _standbys(self) -> list[str]:
        try:
            return sorted(self._answer(lambda client: client.get_children_async(self._standbys_path)))
        except NoNodeError:
            return []

    def _member(self, path: str, address: str) -> Member | None:
        try:
            data, stat = self._answer(lambda client: client.get_async(path))
        except NoNodeError:
            return None
        return Member(address=address or data.decode(errors="replace"), since=stat.ctime / 1000)

    def _answer(self, ask: Callable[[KazooClient], Any]) -> Any:
        """The answer of ZooKeeper within a bounded time. Raises NoNodeError, StoreFault."""
        try:
            return self._ensemble.ask(ask).get(timeout=ANSWER_SECONDS)
        except NoNodeError:
            raise
        except (KazooException, KazooTimeoutError) as error:
            raise StoreFault(
                f"ZooKeeper did not say within {ANSWER_SECONDS:g} s who leads ({type(error).__name__}); try again, and"
                " look whether it runs",
                temporary=True,
            ) from error


def _term(session_id: int) -> str:
    """A ZooKeeper session's id as text: the ensemble gives none twice."""
    return f"{session_id & (2**64 - 1):x}"
