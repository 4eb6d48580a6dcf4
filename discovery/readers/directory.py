"""The directory: which endpoints there are, for programs that send people to them. Kept in step with ZooKeeper."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from discovery.backends.publisher import LAPSE_SECONDS
from discovery.endpoints import DIRECTORY, Endpoint, endpoint_from_json
from discovery.readers.zookeeper_watch import SETTLE_SECONDS, Contents, Watching
from specs.ids import GroupId

LEVELS = 4
"""Stack, service, labels, task."""
KEEP_SECONDS = 5.0
"""For so long after ZooKeeper was away what vanishes is kept: executors try every second to be back."""

log = logging.getLogger("discovery.readers.directory")

Groups = Mapping[GroupId, tuple[Endpoint, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All endpoints of a moment: of each group that has some, in the order of slots and tasks; groups in order too.

    `serial` grows with each change, and is 0 before everything was read for the first time: then nothing is known, not
    even that there is nothing.
    """

    serial: int = 0
    groups: Groups = field(default_factory=dict)


class Directory:
    """All endpoints below the root of `url` (zk://host:port,host:port/root, the scheduler's `--endpoints` or `--zk`).

    `on_change` is called with each new snapshot, one call at a time, from a thread of the directory's own; it must not
    raise, and while it works further changes gather to one. While ZooKeeper is away the last snapshot stays; what
    vanishes because sessions ended meanwhile stays for KEEP_SECONDS more, or until it is back. Raises ValueError for a
    bad url, nothing later.
    """

    def __init__(
        self,
        url: str,
        on_change: Callable[[Snapshot], None] | None = None,
        *,
        session_seconds: float = LAPSE_SECONDS,
        settle_seconds: float = SETTLE_SECONDS,
    ) -> None:
        self._on_change = on_change
        self._changed = threading.Condition()
        self._snapshot = Snapshot()
        self._read: dict[str, tuple[bytes, Endpoint | None]] = {}
        self._watching = Watching(
            url,
            {DIRECTORY: LEVELS},
            self._told,
            session_seconds=session_seconds,
            settle_seconds=settle_seconds,
            keep_seconds=KEEP_SECONDS,
        )

    @property
    def snapshot(self) -> Snapshot:
        """The latest snapshot."""
        return self._snapshot

    @property
    def is_away(self) -> bool:
        """Whether ZooKeeper has not been reached for some seconds, so that the snapshot may be old."""
        return self._watching.is_away

    def wait(self, seconds: float, after: int = 0) -> Snapshot:
        """The snapshot once its serial is above `after`, or what there is when that takes longer."""
        with self._changed:
            self._changed.wait_for(lambda: self._snapshot.serial > after, seconds)
            return self._snapshot

    def close(self, seconds: float = 2.0) -> None:
        """Ends the connection; waits so long at most. The last snapshot stays."""
        self._watching.close(seconds)

    def _told(self, contents: Contents) -> None:
        """In the thread of the watching."""
        groups = self._grouped(contents.nodes)
        if self._snapshot.serial and groups == self._snapshot.groups:
            return
        snapshot = Snapshot(serial=self._snapshot.serial + 1, groups=MappingProxyType(groups))
        with self._changed:
            self._snapshot = snapshot
            self._changed.notify_all()
        if self._on_change is not None:
            self._on_change(snapshot)

    def _grouped(self, nodes: Mapping[str, bytes]) -> dict[GroupId, tuple[Endpoint, ...]]:
        """The endpoints in these nodes by group; a node that holds none is logged once and left out."""
        before, self._read = self._read, {}
        groups: dict[GroupId, list[Endpoint]] = {}
        for path, data in nodes.items():
            known = before.get(path)
            endpoint = known[1] if known is not None and known[0] == data else _parsed(path, data)
            self._read[path] = (data, endpoint)
            if endpoint is not None:
                groups.setdefault(endpoint.group, []).append(endpoint)
        return {group: tuple(sorted(groups[group], key=_place)) for group in sorted(groups, key=str)}


def _parsed(path: str, data: bytes) -> Endpoint | None:
    try:
        return endpoint_from_json(data)
    except ValueError as error:
        log.warning("%s is passed over: %s", path, error)
        return None


def _place(endpoint: Endpoint) -> tuple[int, str]:
    return endpoint.slot, endpoint.task_id
