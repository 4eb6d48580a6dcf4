"""Requests without a pause, to see whether one is lost: kept connections, as a browser has them."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable
from types import TracebackType

TIMEOUT_SECONDS = 10.0
GAP_SECONDS = 0.02

Connection = Callable[[str], http.client.HTTPConnection]


def plain(address: str) -> http.client.HTTPConnection:
    """A connection without TLS."""
    return http.client.HTTPConnection(address, timeout=TIMEOUT_SECONDS)


class Traffic:
    """Asks for / of `address()` (host:port) as `host`, by so many clients at once, while the context lasts,
    by connections of `connection(address)`.

    An answer other than 200, or none, is a failure; a client that had one goes on with a new connection.
    """

    def __init__(self, address: Callable[[], str], host: str, clients: int = 4, connection: Connection = plain) -> None:
        self._address = address
        self._host = host
        self._connection = connection
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(clients)]
        self.seconds: list[float] = []
        self.failures: list[str] = []

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join(2 * TIMEOUT_SECONDS)

    def _ask(self) -> None:
        connections: dict[str, http.client.HTTPConnection] = {}
        while not self._ending.wait(GAP_SECONDS):
            address = self._address()
            connection = connections.setdefault(address, self._connection(address))
            begin = time.monotonic()
            try:
                connection.request("GET", "/", headers={"Host": self._host})
                answer = connection.getresponse()
                answer.read()
                failure = "" if answer.status == 200 else f"{answer.status}"
            except (OSError, http.client.HTTPException) as error:
                failure = repr(error)
            with self._lock:
                if failure:
                    self.failures.append(f"{address}: {failure}")
                    connections.pop(address).close()
                else:
                    self.seconds.append(time.monotonic() - begin)
        for connection in connections.values():
            connection.close()
