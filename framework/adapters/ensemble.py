"""A connection to a ZooKeeper ensemble that waits out what passes, and says what is wrong in sentences."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from kazoo.client import KazooClient, KazooState, TransactionRequest
from kazoo.exceptions import (
    ConnectionLoss,
    NoNodeError,
    OperationTimeoutError,
    RequestTimeoutError,
    SessionExpiredError,
    SessionMovedError,
)
from kazoo.retry import KazooRetry

from specs.urls import Url

SESSION_SECONDS = 10.0
BLIP_SECONDS = 1.0
"""A connection that is back sooner is not spoken of."""
PROBE_SECONDS = 2.0

UNCERTAIN = (ConnectionLoss, OperationTimeoutError, RequestTimeoutError, SessionMovedError)
"""After these a request may or may not have happened, or may yet happen."""

_EXPIRED = "ZooKeeper expired the session"
_CLOSED = "the connection to ZooKeeper was closed"
_T = TypeVar("_T")


class SessionLost(Exception):
    """The session is over: ZooKeeper expired it, or the connection was closed by us."""


class Ensemble:
    """One session with an ensemble. Safe from any thread.

    `on_problem` is called with a sentence when the ensemble cannot be reached, again when the reason changes, and
    with an empty one when it is reached again. `on_lost` is called when a session that existed is over. Both are
    called from a thread of this object and must not block.
    """

    def __init__(
        self,
        url: Url,
        *,
        on_problem: Callable[[str], None],
        on_lost: Callable[[], None],
        session_seconds: float = SESSION_SECONDS,
    ) -> None:
        self._url = url
        self._on_problem = on_problem
        self._on_lost = on_lost
        self._changed = threading.Condition()
        self._is_closing = False
        self._is_held = False
        self._is_lost = False
        self._client = KazooClient(
            hosts=url.addresses,
            timeout=session_seconds,
            connection_retry=KazooRetry(max_tries=-1, delay=0.1, max_delay=1.0, ignore_expire=True),
            # Its own words go nowhere: what is wrong is said once, in ours.
            logger=logging.Logger("kazoo.quiet", level=logging.CRITICAL + 1),
        )
        self._client.add_listener(self._listen)
        self._live = self._client.start_async()
        self._watch = threading.Thread(target=self._watch_connection, name="zookeeper-watch", daemon=True)
        self._watch.start()

    @property
    def session_id(self) -> int | None:
        """ZooKeeper's number of the session, while there is one."""
        return self._client.client_id[0] if self._client.client_id else None

    @property
    def is_connected(self) -> bool:
        """Whether the ensemble answers now, as far as is known."""
        return bool(self._client.connected)

    @property
    def is_over(self) -> bool:
        """Whether no session follows: it was closed by us, or the one that was held is lost."""
        return self._is_closing or self._is_lost

    @property
    def session(self) -> tuple[int, bytes] | None:
        """The session's id and password, while there is one."""
        return self._client.client_id  # type: ignore[no-any-return]

    def close(self) -> None:
        """Ends the session. Whoever waits gets SessionLost."""
        with self._changed:
            if self._is_closing:
                return
            self._is_closing = True
            self._changed.notify_all()
        self._client.stop()
        self._client.close()
        if threading.current_thread() is not self._watch:
            self._watch.join()

    def hold(self) -> None:
        """From now on this session is the one: when it is lost, no other takes its place."""
        self._is_held = True

    def wait(self) -> None:
        """Waits until the ensemble is connected; raises SessionLost when the session that was held is over."""
        while not self._live.wait(0.1) or self._is_lost or self._is_closing:
            if self._is_closing:
                raise SessionLost(_CLOSED)
            if self._is_lost:
                raise SessionLost(_EXPIRED)

    def send(self, transaction: TransactionRequest) -> list[Any]:
        """Commits a transaction; returns what came of each operation, exceptions included.

        Raises one of UNCERTAIN, SessionLost, or the KazooException with which all of it was refused.
        """
        return self._once(lambda: transaction.commit_async().get())

    def transaction(self) -> TransactionRequest:
        """A new transaction."""
        return self._client.transaction()

    def get(self, path: str) -> tuple[bytes, int]:
        """A node's data and version, as new as all that was written before. Raises NoNodeError, SessionLost."""

        def ask() -> Any:
            self._client.sync_async(path)
            return self._client.get_async(path).get()

        data, stat = self._again(ask)
        return data, stat.version

    def get_all(self, paths: Sequence[str]) -> list[bytes]:
        """The data of many nodes, asked for at once. Raises NoNodeError with the path, SessionLost."""
        return [data for data, _ in self._all(self._client.get_async, paths)]

    def children(self, path: str) -> list[str]:
        """The names below a node, sorted. Raises NoNodeError, SessionLost."""
        return self.children_of_all([path])[0]

    def children_of_all(self, paths: Sequence[str]) -> list[list[str]]:
        """The names below each of the nodes, sorted; asked for at once. Raises as get_all does."""
        return [sorted(names) for names in self._all(self._client.get_children_async, paths)]

    def ask(self, question: Callable[[KazooClient], Any]) -> Any:
        """Asks the client something without waiting: what kazoo promises as an answer."""
        return question(self._client)

    def again(self, call: Callable[[KazooClient], _T]) -> _T:
        """Returns the result of the call; calls again as often as the connection breaks. Raises SessionLost."""
        return self._again(lambda: call(self._client))

    def ensure_path(self, path: str) -> None:
        """Makes the node and those above it where they are not there."""
        self._again(lambda: self._client.ensure_path_async(path).get())

    def _all(self, ask: Callable[[str], Any], paths: Sequence[str]) -> list[Any]:
        def call() -> list[Any]:
            return [_answer(path, waiting) for path, waiting in [(path, ask(path)) for path in paths]]

        return self._again(call)

    def _again(self, call: Callable[[], _T]) -> _T:
        """The answer to a request; requested again as often as the connection breaks."""
        while True:
            try:
                return self._once(call)
            except UNCERTAIN:
                continue

    def _once(self, call: Callable[[], _T]) -> _T:
        self.wait()
        try:
            return call()
        except SessionExpiredError as error:
            raise SessionLost(_EXPIRED) from error
        except UNCERTAIN:
            if self._is_closing:
                raise SessionLost(_CLOSED) from None
            raise

    def _listen(self, state: str) -> None:
        """Called by kazoo on each change; must not block."""
        with self._changed:
            self._changed.notify_all()
            self._is_lost |= state == KazooState.LOST and self._is_held and not self._is_closing
        if self._is_lost:
            self._on_lost()

    def _watch_connection(self) -> None:
        """Says what is wrong while there is no connection, and that it is over."""
        while self._await(connected=False):
            said = ""
            self._await(connected=True, seconds=BLIP_SECONDS)
            while not self._client.connected and not self._is_closing:
                problem = self._problem()
                if problem != said and not self._client.connected:
                    said = problem
                    self._on_problem(problem)
                self._await(connected=True, seconds=PROBE_SECONDS)
            if said and not self._is_closing:
                self._on_problem("")

    def _await(self, *, connected: bool, seconds: float | None = None) -> bool:
        """Waits until the connection is or is not there; returns False when it was closed by us."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closing or self._client.connected is connected, seconds)
            return not self._is_closing

    def _problem(self) -> str:
        causes = "; ".join(f"{host}:{port} {_probe(host, port)}" for host, port in self._url.hosts)
        return (
            f"ZooKeeper cannot be reached: {causes}. Check that it runs, and that {self._url} is the right address."
            " Trying on"
        )


def _answer(path: str, waiting: Any) -> Any:
    try:
        return waiting.get()
    except NoNodeError:
        raise NoNodeError(path) from None


def _probe(host: str, port: int) -> str:
    """The reaction of a server to a connection, as a predicate."""
    try:
        with socket.create_connection((host.strip("[]"), port), timeout=PROBE_SECONDS) as connection:
            connection.sendall(b"srvr")
            answer = connection.recv(4096)
    except TimeoutError:
        return f"does not answer within {PROBE_SECONDS:g} s"
    except OSError as error:
        return f"cannot be connected to ({error.strerror or error})"
    if b"not currently serving" in answer:
        return "runs, but serves nobody: its ensemble has no quorum"
    if b"ookeeper version" in answer:
        return "runs, but has not taken our session yet"
    return "answers, but not as a ZooKeeper does"
