"""The endpoints in a back end, whoever published them: the janitor looks whether each still has its task.

An inventory is opened for one look and closed after it, because looks are far apart.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from discovery.backends import consul
from discovery.backends.etcd_client import Client, encoded
from discovery.backends.publisher import Away
from discovery.backends.theseus.layout import task_in
from discovery.backends.zookeeper import import_kazoo, new_client
from discovery.endpoints import DIRECTORY, Endpoint, endpoint_from_json
from specs.ids import TaskId
from specs.urls import Url

CONNECT_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundEndpoint:
    """An endpoint that was found."""

    #: Its path, key or id in the back end.
    place: str
    endpoint: Endpoint
    #: Changes with every write of the endpoint.
    mark: str


class Inventory(Protocol):
    """All endpoints of a back end, for one thread. Calls take a few seconds at most, raising Away or BackendRefused."""

    def tasks(self) -> Mapping[TaskId, str]:
        """The tasks that have an endpoint, each with the place where it is."""

    def read(self, place: str) -> FoundEndpoint | None:
        """The endpoint at this place; None if there is none, or if it is not one of an executor's."""

    def remove(self, found: FoundEndpoint) -> bool:
        """Removes the endpoint if it is still as it was found; whether it was."""


@contextlib.contextmanager
def inventory_at(url: Url) -> Iterator[Inventory]:
    """The endpoints at an address. Raises Away where it cannot be reached; so may what is asked of it."""
    match url.scheme:
        case "zk":
            with _nodes(url) as nodes:
                yield nodes
        case "etcd":
            yield Keys(url)
        case _:
            yield Services(url)


@contextlib.contextmanager
def _nodes(url: Url) -> Iterator[Nodes]:
    kazoo = import_kazoo()
    client = new_client(kazoo, url, CONNECT_SECONDS)
    try:
        client.start(CONNECT_SECONDS)
        yield Nodes(client, kazoo.exceptions, url.root + DIRECTORY)
    except kazoo.handlers.threading.KazooTimeoutError as error:
        raise Away(f"no connection within {CONNECT_SECONDS:g} s") from error
    except kazoo.exceptions.KazooException as error:
        raise Away(type(error).__name__) from error
    finally:
        with contextlib.suppress(OSError, AttributeError, kazoo.exceptions.KazooException):
            client.stop()
            client.close()


class Nodes:
    """An Inventory in ZooKeeper."""

    def __init__(self, client: Any, exceptions: Any, root: str) -> None:
        self._client = client
        self._exceptions = exceptions
        self._root = root

    def tasks(self) -> Mapping[TaskId, str]:
        paths = [self._root]
        for _ in ("stack", "service", "labels", "task"):
            paths = [f"{path}/{name}" for path in paths for name in self._children(path)]
        return {TaskId(path.rpartition("/")[2]): path for path in paths}

    def read(self, place: str) -> FoundEndpoint | None:
        with contextlib.suppress(self._exceptions.NoNodeError, ValueError):
            data, stat = self._client.get(place)
            return FoundEndpoint(place=place, endpoint=endpoint_from_json(data), mark=str(stat.version))
        return None

    def remove(self, found: FoundEndpoint) -> bool:
        with contextlib.suppress(self._exceptions.NoNodeError, self._exceptions.BadVersionError):
            self._client.delete(found.place, version=int(found.mark))
            return True
        return False

    def _children(self, path: str) -> list[str]:
        with contextlib.suppress(self._exceptions.NoNodeError):
            return list(self._client.get_children(path))
        return []


class Keys:
    """An Inventory in etcd."""

    def __init__(self, url: Url) -> None:
        self._client = Client(url)
        self._root = url.root

    def tasks(self) -> Mapping[TaskId, str]:
        keys = [each.key for each in self._client.below(f"{self._root}/", is_keys_only=True)]
        return {task: key for key in keys if (task := task_in(key)) is not None}

    def read(self, place: str) -> FoundEndpoint | None:
        found = self._client.get(place)
        with contextlib.suppress(ValueError):
            if found is not None:
                return FoundEndpoint(place=place, endpoint=endpoint_from_json(found.value), mark=str(found.revision))
        return None

    def remove(self, found: FoundEndpoint) -> bool:
        key = encoded(found.place)
        compare = {"key": key, "target": "MOD", "result": "EQUAL", "mod_revision": found.mark}
        return self._client.transact(compare, [{"request_delete_range": {"key": key}}])[0]


class Services:
    """An Inventory at one of Consul's agents. What others have is removed by Consul, as nobody passes its check."""

    def __init__(self, url: Url) -> None:
        self._agent = consul.Agent(url)

    def tasks(self) -> Mapping[TaskId, str]:
        found = self._agent.services().items()
        return {task: id for id, service in found if (task := consul.task_of(service)) is not None}

    def read(self, place: str) -> FoundEndpoint | None:
        service = self._agent.services().get(place)
        with contextlib.suppress(ValueError):
            if service is not None:
                return FoundEndpoint(place=place, endpoint=consul.endpoint_of(service), mark=consul.mark_of(service))
        return None

    def remove(self, found: FoundEndpoint) -> bool:
        if consul.mark_of(self._agent.services().get(found.place)) != found.mark:
            return False
        self._agent.deregister(found.place)
        return True
