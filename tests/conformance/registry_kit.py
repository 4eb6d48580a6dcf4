"""Back ends for endpoints as tests use them: their publishers, what everybody finds there, and the end of a session."""

from __future__ import annotations

import contextlib
import threading
from typing import Any, Protocol

from kazoo.client import KazooClient
from kazoo.exceptions import ConnectionLoss, NoNodeError, SessionExpiredError

from discovery.backends.consul import EXECUTORS, Consul, endpoint_of, task_of
from discovery.backends.etcd import Etcd
from discovery.backends.etcd_client import Client
from discovery.backends.registry import Registry
from discovery.backends.zookeeper import ZooKeeper
from discovery.endpoints import Endpoint, EndpointPort, endpoint_from_json, path_of
from discovery.executor_addresses import DIRECTORY, Announcement, announcement_from_json
from discovery.readers.zookeeper_watch import Watching
from framework.local.daemon import Daemon
from specs.ids import AgentId, ExecutorId, TaskId, VersionId, group_id
from specs.urls import parse_url
from tests.kit.consul import Contract
from tests.kit.memory_registry import MemoryRegistry

SESSION_SECONDS = 4.0
"""Time-out for the session, or lease, of a publisher here, in seconds."""


def endpoint(name: str = "shop.web.dev.1.1", since: float = 1000.0) -> Endpoint:
    return Endpoint(
        group=group_id("shop", "web", ["dev"]),
        slot=int(name.split(".")[-2]),
        task_id=TaskId(name),
        version=VersionId("0123456789ab"),
        hostname="agent1",
        address="10.0.0.5",
        ports=(EndpointPort(name="http", number=31000, container_port=8080),),
        since=since,
    )


def announcement(agent: str = "b2-S1", port: int = 31999) -> Announcement:
    return Announcement(
        agent=AgentId(agent),
        executor=ExecutorId("framework-executor-0123@10.0.0.1~8080"),
        hostname="agent1",
        address="10.0.0.5",
        port=port,
    )


class BackEnd(Protocol):
    """A back end, with publishers, and what everybody finds there."""

    def publisher(self) -> Registry:
        """A new publisher."""

    def found(self) -> dict[str, Endpoint]:
        """All endpoints, by task."""

    def announced(self) -> list[Announcement]:
        """All executors."""


class InMemory:
    """Collections of this process."""

    def __init__(self) -> None:
        self._shared: dict[TaskId, Endpoint] = {}
        self._announced: list[Announcement] = []

    def publisher(self) -> Registry:
        return MemoryRegistry(self._shared, self._announced)

    def announced(self) -> list[Announcement]:
        return self._announced

    def found(self) -> dict[str, Endpoint]:
        return {str(id): found for id, found in self._shared.items()}


class InZooKeeper:
    """A root of its own on a real server."""

    def __init__(self, server: Daemon, root: str) -> None:
        self.url = f"zk://{server.address}{root}"
        self.root = root
        self.client = KazooClient(hosts=server.address)
        self.client.start()
        self._publishers: list[ZooKeeper] = []

    def publisher(self) -> ZooKeeper:
        self._publishers.append(ZooKeeper(parse_url(self.url, "zk"), SESSION_SECONDS))
        return self._publishers[-1]

    def found(self) -> dict[str, Endpoint]:
        path = self.root + path_of(endpoint().group, TaskId("")).rstrip("/")
        return {name: endpoint_from_json(data) for name, data in self._children(path).items()}

    def announced(self) -> list[Announcement]:
        found = self._children(self.root + DIRECTORY)
        return [announcement_from_json(found[name]) for name in sorted(found)]

    def _children(self, path: str) -> dict[str, bytes]:
        """The contents of the nodes below, by name. A node that is being replaced is left out."""
        found: dict[str, bytes] = {}
        # The looking client's own session may end too, where the server was away.
        with contextlib.suppress(NoNodeError, ConnectionLoss, SessionExpiredError):
            for name in self.client.get_children(path):
                found[name] = self.client.get(f"{path}/{name}")[0]
        return found

    def close(self) -> None:
        for each in self._publishers:
            each.close(10.0)
        self.client.stop()
        self.client.close()


class InEtcd:
    """A root of its own on a real server."""

    def __init__(self, server: Daemon, root: str) -> None:
        self.url = parse_url(f"etcd://{server.address}{root}", "etcd")
        self.client = Client(self.url)
        self._publishers: list[Etcd] = []

    def publisher(self) -> Etcd:
        self._publishers.append(Etcd(self.url, SESSION_SECONDS))
        return self._publishers[-1]

    def found(self) -> dict[str, Endpoint]:
        pairs = self.client.below(f"{self.url.root}/shop/services/web/dev/containers/")
        return {pair.key.split("/")[-2]: endpoint_from_json(pair.value) for pair in pairs}

    def announced(self) -> list[Announcement]:
        return [announcement_from_json(each.value) for each in self.client.below(f"{self.url.root}{DIRECTORY}/")]

    def close(self) -> None:
        for each in self._publishers:
            each.close(10.0)


class InConsul:
    """An agent of its own, as it is documented."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.url = parse_url(f"consul://{contract.address}", "consul")
        self._publishers: list[Consul] = []

    def publisher(self) -> Consul:
        self._publishers.append(Consul(self.url, check_seconds=3))
        return self._publishers[-1]

    def found(self) -> dict[str, Endpoint]:
        endpoints = [endpoint_of(each) for each in self.contract.passing().values() if task_of(each)]
        return {str(each.task_id): each for each in endpoints}

    def announced(self) -> list[Announcement]:
        passing = sorted(self.contract.passing().items())
        return [
            Announcement(
                agent=AgentId(each["Meta"]["agent"]),
                executor=ExecutorId(each["Meta"]["executor"]),
                hostname=each["Meta"]["hostname"],
                address=each["Address"],
                port=each["Port"],
            )
            for id, each in passing
            if each["Service"] == EXECUTORS
        ]

    def close(self) -> None:
        for each in self._publishers:
            each.close(10.0)


def withdraw(registry: Registry, name: str) -> threading.Event:
    """An event that is set when the withdrawal is done."""
    done = threading.Event()
    registry.withdraw(TaskId(name), done.set)
    return done


def end_session(back_end: InZooKeeper, registry: ZooKeeper | Watching) -> None:
    """Ends the session from another connection, which closes it."""
    client: Any = registry.tree.client if isinstance(registry, ZooKeeper) else registry._client
    other = KazooClient(hosts=client.hosts[0][0] + f":{client.hosts[0][1]}", client_id=client.client_id)
    other.start()
    other.stop()
    other.close()
