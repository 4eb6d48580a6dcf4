"""Endpoints: where a healthy task can be reached. Pure; the form that every back end publishes.

As a node of a tree an endpoint is at `endpoints/STACK/SERVICE/LABELS/TASK_ID`, LABELS being `dev,frontend`, or `_`
where there are none: names have neither commas nor underscores, so no two groups share a place, and no tree refuses
them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from specs.ids import GroupId, TaskId, VersionId, group_id

DIRECTORY = "/endpoints"
"""Below the root of a back end that is a tree."""
NO_LABELS = "_"
SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointPort:
    """`number` on the agent's address leads to `container_port` of the task: the same where nothing is mapped.

    `protocol` is `tcp` or `udp`; `name` is "" for a port without one.
    """

    name: str
    number: int
    container_port: int
    protocol: str = "tcp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A task to which others may be sent.

    `address` is the agent's, under which `ports` are reached, `hostname` its name; `addresses` are the container's own,
    reached from its network only. `since`: when it became ready, in seconds since 1970.
    """

    group: GroupId
    slot: int
    task_id: TaskId
    version: VersionId
    hostname: str
    address: str
    ports: tuple[EndpointPort, ...] = ()
    addresses: tuple[str, ...] = ()
    since: float = 0.0


def path_of(group: GroupId, task_id: TaskId) -> str:
    """Where in a tree the endpoint of this task is, below the root of the back end."""
    return f"{directory_of(group)}/{task_id}"


def directory_of(group: GroupId) -> str:
    """Where in a tree the endpoints of this group are, below the root of the back end."""
    labels = ",".join(group.labels) or NO_LABELS
    return f"{DIRECTORY}/{group.stack}/{group.service}/{labels}"


def endpoint_json(endpoint: Endpoint) -> bytes:
    """The endpoint as JSON, the same bytes for equal endpoints."""
    plain: dict[str, Any] = {
        "schema": SCHEMA,
        "stack": endpoint.group.stack,
        "service": endpoint.group.service,
        "labels": list(endpoint.group.labels),
        "slot": endpoint.slot,
        "task_id": endpoint.task_id,
        "version": endpoint.version,
        "hostname": endpoint.hostname,
        "address": endpoint.address,
        "ports": [
            {
                "name": port.name,
                "port": port.number,
                "container_port": port.container_port,
                "protocol": port.protocol,
            }
            for port in endpoint.ports
        ],
        "addresses": list(endpoint.addresses),
        "since": endpoint.since,
    }
    return json.dumps(plain, separators=(",", ":")).encode()


def endpoint_from_json(data: bytes) -> Endpoint:
    """The endpoint that these bytes hold; fields that a later schema adds are passed over.

    Raises ValueError, in words for the user, where they hold none.
    """
    try:
        plain = json.loads(data)
        return Endpoint(
            group=group_id(str(plain["stack"]), str(plain["service"]), [str(label) for label in plain["labels"]]),
            slot=int(plain["slot"]),
            task_id=TaskId(str(plain["task_id"])),
            version=VersionId(str(plain["version"])),
            hostname=str(plain["hostname"]),
            address=str(plain["address"]),
            ports=tuple(
                EndpointPort(
                    name=str(port["name"]),
                    number=int(port["port"]),
                    container_port=int(port["container_port"]),
                    protocol=str(port["protocol"]),
                )
                for port in plain["ports"]
            ),
            addresses=tuple(str(address) for address in plain["addresses"]),
            since=float(plain["since"]),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"an endpoint: wanted the JSON that an executor writes, got {data[:80]!r} ({error!r}); whoever wrote it"
            " should write elsewhere"
        ) from None
