"""Where the tasks of a service are, for programs that call them: a client of the endpoints in ZooKeeper.

    resolver = Resolver()                          # of $FRAMEWORK_ENDPOINTS, or Resolver("zk://host:2181/framework")
    for endpoint in resolver.endpoints("shop", "web", labels={"prod"}):
        print(endpoint.address, endpoint.ports[0].number)

It wants kazoo, and of this project `discovery` and `specs.ids`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterator

from discovery.endpoints import Endpoint
from discovery.readers.directory import Directory, Snapshot

READ_SECONDS = 10.0

Endpoints = tuple[Endpoint, ...]


class NotRead(Exception):
    """Nothing is known: ZooKeeper has not been reached since the start."""


class Resolver:
    """Endpoints of all services, kept in step by threads of its own; safe from any thread, cheap to ask. While
    ZooKeeper is away the last known ones stay.

    `url` is zk://host:port,host:port/root, one of the scheduler's `--endpoints`; "" takes the first zk:// address in
    the variable FRAMEWORK_ENDPOINTS, which every task has. Raises ValueError for an address that is none.
    """

    def __init__(self, url: str = "", *, read_seconds: float = READ_SECONDS) -> None:
        self._read_seconds = read_seconds
        self._lock = threading.Lock()
        self._watches: list[Callable[[Snapshot], None]] = []
        self._directory = Directory(url or _own_address(), self._changed)

    def endpoints(self, stack: str, service: str, labels: Collection[str] = ()) -> Endpoints:
        """The ready tasks of all groups of a service that have these labels, in the order of groups and slots.

        Waits for the first reading; raises NotRead where there is none within `read_seconds`.
        """
        snapshot = self._directory.wait(self._read_seconds)
        if not snapshot.serial:
            raise NotRead(f"no endpoints came within {self._read_seconds:g} s; can ZooKeeper be reached from here?")
        return _chosen(snapshot, stack, service, labels)

    def watch(
        self, stack: str, service: str, callback: Callable[[Endpoints], None], labels: Collection[str] = ()
    ) -> Callable[[], None]:
        """Calls `callback` with the endpoints once they are known, and whenever they have changed, from a thread of the
        resolver's: it must be quick and not raise. Returns the function that ends it."""
        last: list[Endpoints] = []
        one_at_a_time = threading.Lock()

        def changed(snapshot: Snapshot) -> None:
            with one_at_a_time:
                now = _chosen(snapshot, stack, service, labels)
                if not last or last[0] != now:
                    last[:] = [now]
                    callback(now)

        with self._lock:
            self._watches.append(changed)
        if self._directory.snapshot.serial:
            changed(self._directory.snapshot)
        return lambda: self._forget(changed)

    def changes(self, stack: str, service: str, labels: Collection[str] = ()) -> Iterator[Endpoints]:
        """The endpoints as they are known, and then each time that they have changed, for ever; several changes while
        nobody asks are one."""
        serial, last = 0, None
        while True:
            snapshot = self._directory.wait(self._read_seconds, after=serial)
            if snapshot.serial > serial:
                serial, now = snapshot.serial, _chosen(snapshot, stack, service, labels)
                if now != last:
                    last = now
                    yield now

    def close(self) -> None:
        """Ends the connection. What was known stays."""
        self._directory.close()

    def _changed(self, snapshot: Snapshot) -> None:
        with self._lock:
            watches = tuple(self._watches)
        for watch in watches:
            watch(snapshot)

    def _forget(self, watch: Callable[[Snapshot], None]) -> None:
        with self._lock:
            if watch in self._watches:
                self._watches.remove(watch)


def _own_address() -> str:
    given = os.environ.get("FRAMEWORK_ENDPOINTS", "")
    return next((url for url in given.split() if url.startswith("zk://")), given)


def _chosen(snapshot: Snapshot, stack: str, service: str, labels: Collection[str]) -> Endpoints:
    wanted = set(labels)
    return tuple(
        endpoint
        for group, endpoints in snapshot.groups.items()
        if group.stack == stack and group.service == service and wanted <= set(group.labels)
        for endpoint in endpoints
    )
