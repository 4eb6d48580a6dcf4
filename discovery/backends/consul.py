"""Endpoints in Consul, by the HTTP interface of one of its agents, as services `SERVICE.STACK`.

A service's id is `SLOT.SERVICE.STACK`, its tags are the group's labels; where there are some they are in the id too,
since slots are counted within a group: `SLOT.LABEL.LABEL.SERVICE.STACK`. Its check is one that lapses when it is not
passed in time; what has lapsed for long Consul removes itself.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import requests

from discovery.backends.publisher import Away, BackendRefused, Publisher
from discovery.endpoints import Endpoint, EndpointPort
from discovery.executor_addresses import Announcement
from specs.ids import FrameworkId, TaskId, VersionId, group_id
from specs.urls import Url

CHECK_SECONDS = 15
"""Time-out of a check: a service whose check was not passed for so long is not found any more."""
REMOVE_AFTER = "1m"
"""Delay before Consul removes a service that is not found; it accepts no less than a minute."""
CONNECT_SECONDS = 1.0
ANSWER_SECONDS = 5.0
EXECUTORS = "framework-executors"
MOST_PORTS = 40
"""Limit on ports in the meta data, of which Consul accepts 64 pairs; further ports are left out."""

log = logging.getLogger("discovery.backends.consul")


class Consul(Publisher):
    """A discovery.backends.registry.Registry at the agent that `url` names."""

    def __init__(self, url: Url, check_seconds: int = CHECK_SECONDS) -> None:
        super().__init__(Services(url, check_seconds))


class Services:
    """The RegistryBackend in Consul."""

    def __init__(self, url: Url, check_seconds: int) -> None:
        self.name = f"Consul's agent at {url.addresses}"
        self.renew_seconds = check_seconds / 3
        self._agent = Agent(url)
        self._url = url
        self._check_seconds = check_seconds
        self._own: dict[str, str] = {}  # by id, the mark of what was registered
        self._waiting: dict[TaskId, str] = {}  # by task, the id that a newer one has, here or elsewhere
        self._announced = ""
        self._is_begun = False

    def renew(self) -> bool:
        there = self._agent.services()
        is_anew = not self._is_begun or any(id not in there for id in self._waiting.values())
        self._is_begun = True
        for id, mark in self._own.items():
            # Forgotten by an agent that was set up anew, or overwritten by who was in the slot for a while.
            if mark_of(there.get(id)) != mark or not self._agent.passes(id):
                is_anew = True
        return is_anew

    def put(self, endpoint: Endpoint, replaces: Sequence[TaskId]) -> None:
        id = service_id(endpoint)
        there = self._agent.services().get(id)
        is_other = there is not None and task_of(there) not in (endpoint.task_id, *replaces)
        if there is not None and (since_of(there) or 0.0) > endpoint.since:
            # Two tasks of a slot, where one follows the other, are as usual; two executors with one task are not.
            log.log(logging.INFO if is_other else logging.WARNING, "service %s: a newer one stays", id)
            self._waiting[endpoint.task_id] = id
            if self._holder(id) == endpoint.task_id:
                del self._own[id]
            return
        before = self._holder(id)
        if before is not None:
            self._waiting[before] = id
        self._waiting.pop(endpoint.task_id, None)
        self._register(registration(endpoint, self._check_seconds))

    def announce(self, announcement: Announcement) -> None:
        service = announced(announcement, self._check_seconds)
        self._announced = service["ID"]
        self._register(service)

    def remove(self, endpoint: Endpoint) -> None:
        id = service_id(endpoint)
        if self._holder(id) == endpoint.task_id:
            if mark_of(self._agent.services().get(id)) == self._own[id]:
                self._agent.deregister(id)
            del self._own[id]
        self._waiting.pop(endpoint.task_id, None)

    def stop(self, takes_back: bool) -> None:
        gone = {id: mark for id, mark in tuple(self._own.items()) if takes_back or id == self._announced}
        if gone:
            # By a connection of its own: the publisher's thread may be in the middle of a call.
            agent = Agent(self._url)
            with contextlib.suppress(Away, BackendRefused):
                there = agent.services()
                for id, mark in gone.items():
                    if mark_of(there.get(id)) == mark:
                        agent.deregister(id)

    def _holder(self, id: str) -> TaskId | None:
        """The task that this publisher has registered so, None where it has none."""
        return TaskId(self._own[id].partition(" ")[0]) if id in self._own else None

    def _register(self, service: dict[str, Any]) -> None:
        self._agent.register(service)
        self._own[service["ID"]] = mark_of(service)


class Agent:
    """Consul's agent. For one thread. Every call raises Away, or BackendRefused."""

    def __init__(self, url: Url) -> None:
        ((host, port),) = url.hosts
        self._base = f"http://{host}:{port}/v1/agent"
        self._session = requests.Session()
        # Nothing of the environment: a proxy for the world outside is none for this.
        self._session.trust_env = False

    def services(self) -> dict[str, dict[str, Any]]:
        """All services that are registered here, by id."""
        try:
            return dict(self._ask("GET", "/services", None).json())
        except ValueError as error:
            raise BackendRefused("what answers there is no agent of Consul's") from error

    def register(self, service: dict[str, Any]) -> None:
        """Registers the service, its check passed; replaces one of the same id."""
        self._ask("PUT", "/service/register?replace-existing-checks=true", service)

    def deregister(self, id: str) -> None:
        """Removes the service with this id."""
        self._ask("PUT", f"/service/deregister/{quote(id, safe='')}", None)

    def passes(self, id: str) -> bool:
        """Passes the check of a service for once more; whether there is one."""
        try:
            self._ask("PUT", f"/check/pass/{quote(f'service:{id}', safe='')}", None)
        except BackendRefused:
            return False
        return True

    def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> requests.Response:
        timeout = (CONNECT_SECONDS, ANSWER_SECONDS)
        try:
            answer = self._session.request(method, self._base + path, json=body, timeout=timeout)
        except requests.RequestException as error:
            raise Away(type(error).__name__) from error
        if answer.status_code >= 500 and "check" not in path:
            raise Away(f"{answer.status_code} {answer.text.strip()[:200]}")
        if not answer.ok:
            raise BackendRefused(f"{answer.status_code} {answer.text.strip()[:200]}")
        return answer


def service_name(endpoint: Endpoint) -> str:
    """The name that all tasks of a service share: `apples.abc`."""
    return f"{endpoint.group.service}.{endpoint.group.stack}"


def service_id(endpoint: Endpoint) -> str:
    """The id of one slot: `2.apples.abc`."""
    return ".".join([str(endpoint.slot), *endpoint.group.labels, service_name(endpoint)])


def registration(endpoint: Endpoint, check_seconds: int) -> dict[str, Any]:
    """The body that registers the endpoint. The first port is the service's; all are in the meta data."""
    meta = {
        "framework": endpoint.framework or "",
        "task_id": endpoint.task_id,
        "slot": str(endpoint.slot),
        "version": endpoint.version,
        "hostname": endpoint.hostname,
        "addresses": ",".join(endpoint.addresses),
        "since": repr(endpoint.since),
    }
    for number, port in enumerate(endpoint.ports[:MOST_PORTS]):
        meta[f"port-{number}"] = f"{port.name}:{port.number}:{port.container_port}/{port.protocol}"
    return {
        "Name": service_name(endpoint),
        "ID": service_id(endpoint),
        "Tags": list(endpoint.group.labels),
        "Address": endpoint.address,
        "Port": endpoint.ports[0].number if endpoint.ports else 0,
        "Meta": meta,
        "Check": _check(service_id(endpoint), check_seconds),
    }


def announced(announcement: Announcement, check_seconds: int) -> dict[str, Any]:
    """The body that registers an executor: programs that scrape metrics find all of them under one name."""
    id = f"{announcement.executor}@{announcement.agent}"
    return {
        "Name": EXECUTORS,
        "ID": id,
        "Tags": [],
        "Address": announcement.address,
        "Port": announcement.port,
        "Meta": {
            "executor": announcement.executor,
            "agent": announcement.agent,
            "hostname": announcement.hostname,
        },
        "Check": _check(id, check_seconds),
    }


def _check(id: str, check_seconds: int) -> dict[str, str]:
    return {
        "Name": "its executor says that it is ready",
        "CheckID": f"service:{id}",
        "TTL": f"{check_seconds}s",
        "Status": "passing",
        "DeregisterCriticalServiceAfter": REMOVE_AFTER,
    }


def mark_of(service: Mapping[str, Any] | None) -> str:
    """The owner of a registration: the task and when it became ready, or the executor; "" if it is not ours."""
    meta = (service or {}).get("Meta") or {}
    return f"{meta['task_id']} {meta.get('since')}" if "task_id" in meta else str(meta.get("executor", ""))


def task_of(service: Mapping[str, Any]) -> TaskId | None:
    """The task that is registered so; None where it is none of a framework's."""
    meta = service.get("Meta") or {}
    return TaskId(meta["task_id"]) if "task_id" in meta and "framework" in meta else None


def since_of(service: Mapping[str, Any]) -> float | None:
    """When the task that is registered so became ready; None where that is not told."""
    try:
        return float((service.get("Meta") or {})["since"])
    except (KeyError, ValueError):
        return None


def endpoint_of(service: Mapping[str, Any]) -> Endpoint:
    """The endpoint, out of what Consul says of a service. Raises ValueError where it is none."""
    try:
        meta = service["Meta"]
        name, _, stack = str(service["Service"]).partition(".")
        ports: list[EndpointPort] = []
        while f"port-{len(ports)}" in meta:
            label, number, rest = meta[f"port-{len(ports)}"].split(":")
            inside, _, protocol = rest.partition("/")
            ports.append(
                EndpointPort(name=label, number=int(number), container_port=int(inside), protocol=str(protocol))
            )
        return Endpoint(
            group=group_id(stack, name, list(service["Tags"] or [])),
            slot=int(meta["slot"]),
            task_id=TaskId(meta["task_id"]),
            version=VersionId(meta["version"]),
            hostname=meta["hostname"],
            address=str(service["Address"]),
            ports=tuple(ports),
            addresses=tuple(each for each in meta["addresses"].split(",") if each),
            since=float(meta["since"]),
            framework=FrameworkId(meta["framework"]) if meta["framework"] else None,
        )
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"an endpoint: wanted a service that an executor registered, got {service!r}") from error
