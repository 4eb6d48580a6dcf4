"""Endpoints and executors in ZooKeeper: ephemeral nodes of a session of its own, which the publisher's end takes with
it."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

from discovery.backends.publisher import LAPSE_SECONDS, Away, BackendRefused, Publisher
from discovery.endpoints import Endpoint, endpoint_json, is_newer, path_of
from discovery.executor_addresses import Announcement, announcement_json, announcement_path
from specs.ids import TaskId
from specs.urls import Url

LOOK_SECONDS = 60.0
"""Sessions are kept by kazoo; so often it is looked at all the same whether there is another one."""
MOST_TRIES = 10

log = logging.getLogger("discovery.backends.zookeeper")


class ZooKeeper(Publisher):
    """A discovery.backends.registry.Registry below the root of `url`. What was left by `hand_over` lapses with its
    session."""

    def __init__(self, url: Url, session_seconds: float = LAPSE_SECONDS) -> None:
        self.tree = Tree(url, session_seconds, lambda: self.wake())
        super().__init__(self.tree)
        self.tree.start()


class Tree:
    """A discovery.backends.publisher.RegistryBackend."""

    renew_seconds = LOOK_SECONDS

    def __init__(self, url: Url, session_seconds: float, on_change: Callable[[], None]) -> None:
        self.name = f"ZooKeeper at {url}"
        self._root = url.root
        self._on_change = on_change
        self._session: int | None = None
        self._announced = ""
        self._kazoo = import_kazoo()
        self.client = new_client(self._kazoo, url, session_seconds)
        # In kazoo's thread, which must not block.
        self.client.add_listener(lambda _state: self._on_change())

    def start(self) -> None:
        """Begins to connect; does not wait."""
        self.client.start_async()

    def renew(self) -> bool:
        if not self.client.connected:
            raise Away("no server of it has taken the session")
        session = self.client.client_id[0]
        is_anew = session != self._session
        # The nodes of an earlier session are gone, or will be.
        self._session = session
        return bool(is_anew)

    def put(self, endpoint: Endpoint, replaces: Sequence[TaskId]) -> None:
        with self._translated():
            path = self._root + path_of(endpoint.group, endpoint.task_id)
            self._put(path, endpoint_json(endpoint), endpoint.since)
            for id in replaces:
                with contextlib.suppress(self._kazoo.exceptions.NoNodeError):
                    self.client.delete(self._root + path_of(endpoint.group, id))

    def announce(self, announcement: Announcement) -> None:
        self._announced = self._root + announcement_path(announcement)
        with self._translated():
            self._put(self._announced, announcement_json(announcement))

    def remove(self, endpoint: Endpoint) -> None:
        with self._translated():
            self._remove(self._root + path_of(endpoint.group, endpoint.task_id))

    def stop(self, takes_back: bool) -> None:
        with contextlib.suppress(OSError, AttributeError, self._kazoo.exceptions.KazooException):
            if takes_back:
                # The end of the session is the end of its nodes; a process that ends without it leaves them to lapse.
                self.client.stop()
                self.client.close()
            elif self._announced:
                self._remove(self._announced)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Turns the errors of kazoo into those of the publisher."""
        exceptions = self._kazoo.exceptions
        try:
            yield
        except (
            exceptions.ConnectionLoss,
            exceptions.ConnectionClosedError,
            exceptions.OperationTimeoutError,
            exceptions.SessionExpiredError,
        ) as error:
            raise Away(type(error).__name__) from error
        except exceptions.KazooException as error:
            raise BackendRefused(type(error).__name__) from error

    def _remove(self, path: str) -> None:
        """Has the node not be there, if it is this session's."""
        with contextlib.suppress(self._kazoo.exceptions.NoNodeError, self._kazoo.exceptions.BadVersionError):
            stat = self.client.get(path)[1]
            if stat.ephemeralOwner == self._session:
                self.client.delete(path, version=stat.version)

    def _put(self, path: str, data: bytes, since: float = 0.0) -> None:
        """Has the node be there, unless there is an endpoint that became ready after `since`."""
        exceptions = self._kazoo.exceptions
        for _ in range(MOST_TRIES):
            with contextlib.suppress(exceptions.NodeExistsError):
                self.client.create(path, data, ephemeral=True, makepath=True)
                return
            with contextlib.suppress(exceptions.NoNodeError, exceptions.BadVersionError):
                found, stat = self.client.get(path)
                if stat.ephemeralOwner == self._session:
                    if found != data:
                        self.client.set(path, data)
                    return
                if is_newer(found, since):
                    log.warning("endpoint %s: another executor has published a newer one, which stays", path)
                    return
                # Whose it is is no more: as it would go with that session, it is made anew.
                self.client.delete(path, version=stat.version)
        raise exceptions.OperationTimeoutError(path)


def new_client(kazoo: Any, url: Url, session_seconds: float) -> Any:
    """A client that connects once it is started, and again and again for ever."""
    return kazoo.client.KazooClient(
        hosts=url.addresses,
        timeout=session_seconds,
        connection_retry=kazoo.retry.KazooRetry(max_tries=-1, delay=0.1, max_delay=1.0, ignore_expire=True),
        # Its own words go nowhere: what is wrong is said once, in ours.
        logger=logging.Logger("kazoo.quiet", level=logging.CRITICAL + 1),
    )


def import_kazoo() -> Any:
    """kazoo, which asks for `ssl` when it is imported. Where that is kept out it gets a stand-in: only addresses with
    TLS would use it, of which there are none."""
    is_kept_out = "ssl" in sys.modules and sys.modules["ssl"] is None
    if is_kept_out:
        stand_in = ModuleType("ssl")
        stand_in.SSLError = type("SSLError", (OSError,), {})  # type: ignore[attr-defined]
        sys.modules["ssl"] = stand_in
    try:
        import kazoo.client
        import kazoo.exceptions
        import kazoo.handlers.threading
        import kazoo.retry
    finally:
        if is_kept_out:
            sys.modules["ssl"] = None  # type: ignore[assignment]
    return kazoo
