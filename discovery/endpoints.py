"""Endpoints: where a healthy task can be reached. Pure; the form that every back end publishes.

As a node of a tree an endpoint is at `endpoints/STACK/SERVICE/LABELS/TASK_ID`, LABELS being `dev,frontend`, or `_`
where there are none: names have neither commas nor underscores, so no two groups share a place, and no tree refuses
them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from specs.addresses import is_loopback
from specs.foreign_json import parse_json
from specs.ids import FrameworkId, GroupId, TaskId, VersionId, group_id

DIRECTORY = "/endpoints"
"""Below the root of a back end that is a tree."""
NO_LABELS = "_"
SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointPort:
    """A port of a task."""

    #: "" for a port without a name.
    name: str
    #: The port of the agent's address.
    number: int
    #: The port of the container to which it leads: the same number without a mapping.
    container_port: int
    #: `tcp` or `udp`.
    protocol: str = "tcp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """The address of a ready task: others can be sent to it."""

    #: The group, slot and id of the task.
    group: GroupId
    slot: int
    task_id: TaskId
    #: The version of the settings that the task has.
    version: VersionId
    #: The agent's host name.
    hostname: str
    #: The agent's IP address, under which `ports` are reached.
    address: str
    #: The ports of the task, in the order of its settings.
    ports: tuple[EndpointPort, ...] = ()
    #: The container's own IP addresses, reached from its network only.
    addresses: tuple[str, ...] = ()
    #: When it became ready, in seconds since 1970: of two endpoints of one task the newer counts.
    since: float = 0.0
    #: The framework whose task it is, None if an earlier executor did not write it.
    framework: FrameworkId | None = None


def reached_from_bridge(address: str, number: int, own: Sequence[str], container_port: int) -> tuple[str, int]:
    """Where a container on a bridge reaches a port of a task.

    This is the agent's `address` and the port's `number` there. An agent at a loopback address has all its clients on
    its own machine, and a container would find itself at that address: it reaches the task at `own`, the addresses of
    the task's container, and `container_port`, if there are any.
    """
    if is_loopback(address) and own and not is_loopback(own[0]):
        return own[0], container_port
    return address, number


def path_of(group: GroupId, task_id: TaskId) -> str:
    """Where in a tree the endpoint of this task is, below the root of the back end."""
    return f"{directory_of(group)}/{task_id}"


def directory_of(group: GroupId) -> str:
    """Where in a tree the endpoints of this group are, below the root of the back end."""
    return f"{DIRECTORY}/{group.stack}/{group.service}/{encoded_labels(group.labels)}"


def encoded_labels(labels: Sequence[str]) -> str:
    """A group's labels as one part of a path: in the order of the alphabet, whichever they come in."""
    return ",".join(sorted(labels)) or NO_LABELS


def endpoint_json(endpoint: Endpoint) -> bytes:
    """The endpoint as JSON, the same bytes for equal endpoints."""
    return json.dumps(endpoint_fields(endpoint), separators=(",", ":")).encode()


def endpoint_fields(endpoint: Endpoint) -> dict[str, Any]:
    """The fields of the JSON of an endpoint."""
    return {
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
        "framework": endpoint.framework,
    }


def endpoint_from_json(data: bytes) -> Endpoint:
    """The endpoint that these bytes hold; fields that a later schema adds are passed over.

    Raises ValueError, in words for the user, where they hold none.
    """
    try:
        plain = parse_json(data)
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
            framework=FrameworkId(str(plain["framework"])) if plain.get("framework") else None,
        )
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"an endpoint: wanted the JSON that an executor writes, got {data[:80]!r} ({error!r}); whoever wrote it"
            " should write elsewhere"
        ) from None


def is_newer(data: bytes, since: float) -> bool:
    """Whether these bytes hold an endpoint that became ready after `since`."""
    try:
        return endpoint_from_json(data).since > since
    except ValueError:
        return False
