"""The contents of ZooKeeper's nodes, kept up to date by watches."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from discovery.backends.publisher import AGAIN_SECONDS, AWAY_SECONDS, LAPSE_SECONDS
from discovery.backends.zookeeper import import_kazoo, new_client
from discovery.readers.outage_grace import OutageGrace
from specs.urls import parse_url

SETTLE_SECONDS = 0.01
"""Delay in which further changes are reported together with a first one."""
ANSWER_SECONDS = 10.0
"""Time-out for an answer, which is then requested again: kazoo keeps a request that meets the end of a connection."""

log = logging.getLogger("discovery.readers.zookeeper_watch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """`nodes`: what each node holds, by its path below the root. `is_whole`: everything has been read once; until then
    what is missing here need not be missing there."""

    nodes: Mapping[str, bytes]
    is_whole: bool = False


class Watching:
    """All nodes of some depth below some places of `url`, kept in step by a thread of its own.

    `places` are paths below the root of the url, each with the depth of the nodes that matter: those in between are
    only gone through. `on_change` is called with the contents when they have changed, one call at a time, in that
    thread; it must not raise, and while it works further changes gather. While ZooKeeper is away the last known
    contents stay, and when it is back everything is read anew, whatever became of the session; what is missing then, or
    vanishes within `keep_seconds`, stays for as long or until it is back (discovery.readers.outage_grace). Raises
    ValueError for a bad url, nothing later.
    """

    def __init__(
        self,
        url: str,
        places: Mapping[str, int],
        on_change: Callable[[Contents], None],
        *,
        session_seconds: float = LAPSE_SECONDS,
        settle_seconds: float = SETTLE_SECONDS,
        keep_seconds: float = 0.0,
    ) -> None:
        parsed = parse_url(url, "zk")
        self._root = parsed.root
        self._url = url
        self._depths = {self._root + place: depth for place, depth in places.items()}
        self._on_change = on_change
        self._settle_seconds = settle_seconds
        self._changed = threading.Condition()
        self._dirty: dict[str, None] = {}
        self._is_stale = True
        self._is_closing = False
        self._is_away = False
        # Clients notice a silent server when two thirds of a session are over, and sessions end when all of it is.
        self._absence_seconds = session_seconds / 3
        # Of our own thread alone: since when there is no connection, what is below each node that is gone through, and
        # what each that matters holds.
        self._gone_since: float | None = None
        self._returning = OutageGrace(keep_seconds)
        self._below: dict[str, frozenset[str]] = {}
        self._nodes: dict[str, bytes] = {}
        self._contents = Contents(nodes=MappingProxyType({}))
        self._kazoo = import_kazoo()
        self._client = new_client(self._kazoo, parsed, session_seconds)
        self._client.add_listener(self._listen)
        self._client.start_async()
        self._thread = threading.Thread(target=self._run, name="watching", daemon=True)
        self._thread.start()

    @property
    def contents(self) -> Contents:
        """The latest contents."""
        return self._contents

    @property
    def is_away(self) -> bool:
        """Whether ZooKeeper has not been reached for some seconds, so that the contents may be old."""
        return self._is_away

    def close(self, seconds: float) -> None:
        """Tells nothing more; waits so long at most."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        end = threading.Thread(target=self._stop, name="watching-end", daemon=True)
        end.start()
        end.join(seconds)

    def _stop(self) -> None:
        with contextlib.suppress(OSError, AttributeError, self._kazoo.exceptions.KazooException):
            self._client.stop()
            self._client.close()

    # ---- in kazoo's threads ---------------------------------------------------------

    def _listen(self, state: str) -> None:
        """The connection came or went; must not block. Watches go with a connection."""
        with self._changed:
            if state == self._kazoo.client.KazooState.CONNECTED:
                self._is_stale = True
            self._changed.notify_all()

    def _fired(self, event: Any) -> None:
        """A watch was hit; one without a path says that the connection went, of which the listener hears too."""
        if event.path is not None:
            with self._changed:
                self._dirty[event.path] = None
                self._changed.notify_all()

    # ---- in our own thread ----------------------------------------------------------

    def _run(self) -> None:
        exceptions = self._kazoo.exceptions
        passing = (
            *(exceptions.ConnectionLoss, exceptions.OperationTimeoutError, exceptions.SessionExpiredError),
            *(exceptions.ConnectionClosedError, self._kazoo.handlers.threading.KazooTimeoutError),
        )
        while (dirty := self._next()) is not None:
            try:
                self._read(dirty)
            except passing:
                self._is_stale = True
            except exceptions.KazooException as error:
                log.warning(
                    "ZooKeeper at %s does not let us read what is below %s (%s): check the rights of these nodes."
                    " Trying again every %g s",
                    self._url,
                    ", ".join(self._depths),
                    type(error).__name__,
                    AGAIN_SECONDS,
                )
                self._is_stale = True
                with self._changed:
                    self._changed.wait_for(lambda: self._is_closing, AGAIN_SECONDS)
            else:
                self._tell()

    def _next(self) -> list[str] | None:
        """The paths to read, once there are some and a connection; None at the end. Logs once if there is no
        connection for long. After one that broke, or a reading that broke off, everything is read from the top."""
        with self._changed:
            while not self._is_closing:
                is_connected = bool(self._client.connected)
                if is_connected:
                    self._is_back()
                if is_connected and (self._dirty or self._is_stale):
                    self._changed.wait_for(lambda: self._is_closing, self._settle_seconds)
                    dirty, self._dirty = list(self._dirty), {}
                    if self._is_stale:
                        self._is_stale, dirty = False, list(self._depths)
                        self._below, self._nodes = {}, {}
                    return dirty
                if not is_connected:
                    self._await_connection()
                elif not self._changed.wait(self._seconds_kept()):
                    return []
            return None

    def _is_back(self) -> None:
        """There is a connection, perhaps again."""
        now = time.monotonic()
        if self._gone_since is not None and now - self._gone_since >= self._absence_seconds:
            self._returning.begin(self._contents.nodes, now)
        self._gone_since = None
        if self._is_away:
            self._is_away = False
            log.info("ZooKeeper at %s is back", self._url)

    def _seconds_kept(self) -> float | None:
        """For how long what is missing is kept yet; None where nothing is."""
        until = self._returning.until
        return None if until is None else max(until - time.monotonic(), 0.0)

    def _await_connection(self) -> None:
        """Waits for a change of the connection; says so once if there is none for long."""
        if self._gone_since is None:
            self._gone_since = time.monotonic()
        is_back = self._changed.wait_for(lambda: self._is_closing or self._client.connected, AWAY_SECONDS)
        if not is_back and not self._is_away:
            self._is_away = True
            log.warning(
                "ZooKeeper at %s cannot be reached; what was last known is kept. Check that it runs. Trying on",
                self._url,
            )

    def _read(self, paths: list[str]) -> None:
        """Reads these nodes, and what is found new below them, a level at a time. Raises KazooException."""
        while paths:
            asked = [(path, self._ask(path)) for path in paths]
            paths = []
            for path, answer in asked:
                try:
                    found = answer.get(timeout=ANSWER_SECONDS)
                except self._kazoo.exceptions.NoNodeError:
                    self._forget(path)
                    if path in self._depths:
                        found = self._client.exists(path, watch=self._fired)
                        paths += [path] if found is not None else []
                    continue
                if self._levels_left(path) == 0:
                    self._nodes[path] = found[0]
                else:
                    paths += self._found_below(path, found)

    def _ask(self, path: str) -> Any:
        if self._levels_left(path) == 0:
            return self._client.get_async(path, watch=self._fired)
        return self._client.get_children_async(path, watch=self._fired)

    def _levels_left(self, path: str) -> int:
        """Number of levels from this path down to the nodes of interest."""
        place = next(place for place in self._depths if path == place or path.startswith(f"{place}/"))
        return self._depths[place] - (path.count("/") - place.count("/"))

    def _found_below(self, path: str, names: list[str]) -> list[str]:
        """Takes down what is below a node; returns what was not there before."""
        before, now = self._below.get(path, frozenset()), frozenset(f"{path}/{name}" for name in names)
        self._below[path] = now
        for gone in before - now:
            self._forget(gone)
        return sorted(now - before)

    def _forget(self, path: str) -> None:
        self._nodes.pop(path, None)
        for below in self._below.pop(path, frozenset()):
            self._forget(below)

    def _tell(self) -> None:
        """Tells the contents, if they are others than last time."""
        found = {path.removeprefix(self._root): data for path, data in self._nodes.items()}
        nodes = dict(sorted(self._returning.completed(found, time.monotonic()).items()))
        if self._contents.is_whole and nodes == self._contents.nodes:
            return
        self._contents = Contents(nodes=MappingProxyType(nodes), is_whole=True)
        if not self._is_closing:
            self._on_change(self._contents)
