"""Endpoints and executors in ZooKeeper: ephemeral nodes of a session of its own, which the publisher's end takes with
it."""

from __future__ import annotations

import contextlib
import logging
import re
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from discovery.endpoints import Endpoint, endpoint_from_json, endpoint_json, path_of
from discovery.executors import Announcement, announcement_json, announcement_path
from discovery.registry import Done
from specs.ids import TaskId

SESSION_SECONDS = 10.0
"""So long is found what a publisher that died or was cut off had published."""
AWAY_SECONDS = 5.0
"""A connection that is back sooner is not spoken of."""
AGAIN_SECONDS = 5.0
"""What ZooKeeper refuses is asked again after so long."""
MOST_TRIES = 10
DEFAULT_PORT = 2181
OWN = TaskId("@")
"""Stands among the tasks for the executor itself; no task has that id."""

_PLACE = re.compile(r"(?P<name>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?")
_ROOT = re.compile(r"(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+")

log = logging.getLogger("discovery.zookeeper")


def parse_url(text: str) -> tuple[str, str]:
    """The servers, host:port,host:port, and the root, /path, of zk://host:port,host:port/path. Raises ValueError."""
    places, slash, path = text.removeprefix("zk://").partition("/")
    found = [_PLACE.fullmatch(place) for place in places.split(",")]
    root = f"{slash}{path}".rstrip("/")
    if not text.startswith("zk://") or not all(found) or not _ROOT.fullmatch(root):
        raise ValueError(f"endpoints: wanted zk://host:port,host:port/root, got {text!r}")
    hosts = ",".join(f"{each['name']}:{each['port'] or DEFAULT_PORT}" for each in found if each)
    return hosts, root


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A node; a newer endpoint than `since` stays in its place, and what is at `replaces` goes."""

    data: bytes
    since: float = 0.0
    replaces: tuple[str, ...] = ()


class ZooKeeper:
    """A discovery.registry.Registry below the root of `url`, by a thread of its own.

    What is wanted of each task is kept, not what was asked: so there is never more waiting than there are tasks, and
    after the loss of a session all that is wanted is published anew. Raises ValueError for a bad url, nothing later.
    """

    def __init__(self, url: str, session_seconds: float = SESSION_SECONDS) -> None:
        hosts, self._root = parse_url(url)
        self._url = url
        self._changed = threading.Condition()
        self._wanted: dict[TaskId, _Wanted] = {}
        self._known: dict[TaskId, str] = {}  # where what may be there is
        self._dirty: dict[TaskId, None] = {}
        self._answers: dict[TaskId, list[Done]] = {}
        self._session: int | None = None
        self._is_closing = False
        self._is_away = False
        self._kazoo = import_kazoo()
        self._client = new_client(self._kazoo, hosts, session_seconds)
        self._client.add_listener(self._listen)
        self._client.start_async()
        threading.Thread(target=self._run, name="endpoints", daemon=True).start()

    def publish(self, endpoint: Endpoint, replaces: Sequence[TaskId] = ()) -> None:
        left = tuple(self._root + path_of(endpoint.group, id) for id in replaces)
        wanted = _Wanted(endpoint_json(endpoint), endpoint.since, left)
        self._want(endpoint.task_id, path_of(endpoint.group, endpoint.task_id), wanted)

    def withdraw(self, task_id: TaskId, done: Done) -> None:
        with self._changed:
            self._wanted.pop(task_id, None)
            if task_id in self._known:
                self._answers.setdefault(task_id, []).append(done)
                self._touch(task_id)
                return
        done()

    def announce(self, announcement: Announcement) -> None:
        self._want(OWN, announcement_path(announcement), _Wanted(announcement_json(announcement)))

    def close(self, seconds: float) -> None:
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        # The end of the session is the end of its nodes. kazoo waits for long where nobody answers.
        thread = threading.Thread(target=self._stop, name="endpoints-end", daemon=True)
        thread.start()
        thread.join(seconds)

    def _stop(self) -> None:
        with contextlib.suppress(OSError, AttributeError, self._kazoo.exceptions.KazooException):
            self._client.stop()
            self._client.close()

    def _want(self, task_id: TaskId, path: str, wanted: _Wanted) -> None:
        with self._changed:
            self._wanted[task_id] = wanted
            self._known[task_id] = self._root + path
            self._touch(task_id)

    def _touch(self, task_id: TaskId) -> None:
        """Something else is wanted of this task; what was wanted last is done last."""
        self._dirty.pop(task_id, None)
        self._dirty[task_id] = None
        self._changed.notify_all()

    # ---- in kazoo's thread ----------------------------------------------------------

    def _listen(self, state: str) -> None:
        """The connection came or went; must not block."""
        with self._changed:
            if state == self._kazoo.client.KazooState.CONNECTED:
                session = self._client.client_id[0]
                if session != self._session:
                    # The nodes of an earlier session are gone, or will be.
                    self._dirty |= dict.fromkeys(self._wanted)
                    self._session = session
            self._changed.notify_all()

    # ---- in our own thread ----------------------------------------------------------

    def _run(self) -> None:
        exceptions = self._kazoo.exceptions
        passing = (exceptions.ConnectionLoss, exceptions.OperationTimeoutError, exceptions.SessionExpiredError)
        while (task_id := self._next()) is not None:
            with self._changed:
                wanted, answers = self._wanted.get(task_id), self._answers.pop(task_id, [])
                path = self._known[task_id]
            try:
                self._apply(path, wanted)
            except passing:
                self._again(task_id, answers)
                continue
            except exceptions.KazooException as error:
                log.warning(
                    "node %s: ZooKeeper at %s refuses it (%s); trying again every %g s",
                    path,
                    self._url,
                    type(error).__name__,
                    AGAIN_SECONDS,
                )
                self._again(task_id, answers)
                with self._changed:
                    self._changed.wait_for(lambda: self._is_closing, AGAIN_SECONDS)
                continue
            with self._changed:
                if task_id not in self._wanted and task_id not in self._dirty:
                    self._known.pop(task_id, None)
            for done in answers:
                done()

    def _next(self) -> TaskId | None:
        """The next task of which something else is wanted than there is, once there is a connection; None at the end.
        Says once if that takes long."""
        with self._changed:
            while not self._is_closing:
                is_connected = bool(self._client.connected)
                if is_connected and self._is_away:
                    self._is_away = False
                    log.info("endpoints: ZooKeeper at %s is back", self._url)
                if is_connected and self._dirty:
                    task_id = next(iter(self._dirty))
                    del self._dirty[task_id]
                    return task_id
                if is_connected:
                    self._changed.wait()
                else:
                    self._await_connection()
            return None

    def _await_connection(self) -> None:
        """Waits for a change of the connection; says so once if there is none for long."""
        is_back = self._changed.wait_for(lambda: self._is_closing or self._client.connected, AWAY_SECONDS)
        if not is_back and not self._is_away:
            self._is_away = True
            log.warning(
                "endpoints: ZooKeeper at %s cannot be reached; what changes is published when it is back, what was"
                " published stays for as long as its session. Check that it runs. Trying on",
                self._url,
            )

    def _again(self, task_id: TaskId, answers: list[Done]) -> None:
        with self._changed:
            self._answers[task_id] = answers + self._answers.get(task_id, [])
            self._dirty.setdefault(task_id)

    def _apply(self, path: str, wanted: _Wanted | None) -> None:
        """Brings about what is wanted at `path`. Raises KazooException."""
        missing, outdated = self._kazoo.exceptions.NoNodeError, self._kazoo.exceptions.BadVersionError
        if wanted is not None:
            self._publish(path, wanted)
            return
        with contextlib.suppress(missing, outdated):
            stat = self._client.get(path)[1]
            if stat.ephemeralOwner == self._session:
                self._client.delete(path, version=stat.version)

    def _publish(self, path: str, wanted: _Wanted) -> None:
        exceptions = self._kazoo.exceptions
        for left in wanted.replaces:
            with contextlib.suppress(exceptions.NoNodeError):
                self._client.delete(left)
        for _ in range(MOST_TRIES):
            with contextlib.suppress(exceptions.NodeExistsError):
                self._client.create(path, wanted.data, ephemeral=True, makepath=True)
                return
            with contextlib.suppress(exceptions.NoNodeError, exceptions.BadVersionError):
                found, stat = self._client.get(path)
                if stat.ephemeralOwner == self._session:
                    if found != wanted.data:
                        self._client.set(path, wanted.data)
                    return
                if _is_newer(found, wanted.since):
                    log.warning("endpoint %s: another executor has published a newer one, which stays", path)
                    return
                # Whose it is is no more: as it would go with that session, it is made anew.
                self._client.delete(path, version=stat.version)
        raise exceptions.OperationTimeoutError(path)


def _is_newer(data: bytes, since: float) -> bool:
    """Whether it is an endpoint that became ready after that."""
    try:
        return endpoint_from_json(data).since > since
    except ValueError:
        return False


def new_client(kazoo: Any, hosts: str, session_seconds: float) -> Any:
    """A client that connects once it is started, and again and again for ever."""
    return kazoo.client.KazooClient(
        hosts=hosts,
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
