"""The source of a balancer's model: the routes of stacks, in the scheduler's store, and the endpoints
that executors publish; both followed in ZooKeeper, so that no scheduler has to run."""

from __future__ import annotations

import json
import logging
import threading
import zlib
from collections.abc import Callable, Mapping

from google.protobuf.message import DecodeError

from discovery.balancer.model import Exposed, Model, model_of
from discovery.readers.directory import Directory, Snapshot
from discovery.readers.zookeeper_watch import Contents, Watching
from specs import records_pb2 as pb
from specs.ids import group_id
from specs.model.canonical import from_plain
from specs.model.routes import Route

STACKS = "/stacks"
"""Below the root of the store: a node for each stack."""

log = logging.getLogger("discovery.balancer")


class Source:
    """Follows both; `on_change` is called, from threads of its own, when something is new, and must not block.

    `store` and `endpoints` are zk://host:port,host:port/root. Raises ValueError for a bad url, nothing later.
    """

    def __init__(self, store: str, endpoints: str, on_change: Callable[[], None], *, name: str) -> None:
        self._name = name
        self._on_change = on_change
        self._lock = threading.Lock()
        self._contents = Contents(nodes={})
        self._read: dict[str, tuple[bytes, tuple[Exposed, ...]]] = {}
        self._directory = Directory(endpoints, self._endpoints_changed)
        self._stacks = Watching(store, {STACKS: 1}, self._stacks_changed)

    def model(self, *, has_certificates: bool) -> Model | None:
        """The model to serve now, by a balancer with certificates or without; None while not everything has been
        read for the first time."""
        snapshot, contents = self._directory.snapshot, self._contents
        if not snapshot.serial or not contents.is_whole:
            return None
        exposed = self._exposed(contents.nodes)
        return model_of(exposed, snapshot.groups, name=self._name, has_certificates=has_certificates)

    @property
    def is_away(self) -> bool:
        """Whether ZooKeeper has not been reached for some seconds: what is served is what was last known."""
        return self._directory.is_away or self._stacks.is_away

    def close(self) -> None:
        """Ends the connections."""
        self._directory.close()
        self._stacks.close(2.0)

    def _endpoints_changed(self, _snapshot: Snapshot) -> None:
        self._on_change()

    def _stacks_changed(self, contents: Contents) -> None:
        self._contents = contents
        self._on_change()

    def _exposed(self, nodes: Mapping[str, bytes]) -> list[Exposed]:
        """The routes of all stacks; a node that cannot be read keeps its latest ones, and is logged once."""
        with self._lock:
            before, self._read = self._read, {}
            for path, data in nodes.items():
                known = before.get(path)
                if known is None or known[0] != data:
                    known = (data, _told(path, data, known[1] if known else ()))
                self._read[path] = known
            return [exposed for _, all_of_stack in self._read.values() for exposed in all_of_stack]


def _told(path: str, data: bytes, last: tuple[Exposed, ...]) -> tuple[Exposed, ...]:
    try:
        return routes_of(data)
    except ValueError as error:
        log.warning("%s cannot be read, and its routes stay as they were: %s", path, error)
        return last


def routes_of(data: bytes) -> tuple[Exposed, ...]:
    """The routes of the stack whose node in the store holds these bytes. Raises ValueError, in words for the user."""
    try:
        record = pb.StackRecord.FromString(zlib.decompress(data) if data[:1] == b"\x78" else data)
        return tuple(
            Exposed(group=group_id(record.name, group.service, tuple(group.labels)), route=route)
            for group in record.groups
            if group.routes_json
            for route in from_plain(tuple[Route, ...], json.loads(group.routes_json))
        )
    except (DecodeError, zlib.error, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"wanted the record of a stack, got one that is newer or broken ({error})") from None
