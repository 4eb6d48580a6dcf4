"""Theseus's tree, as etcd has it: for each stack one of its own, below the root of the back end. Pure.

    ROOT/STACK/services/SERVICE/LABELS/config
    ROOT/STACK/services/SERVICE/LABELS/containers/CONTAINER/info

LABELS are as in ZooKeeper (discovery.endpoints); a container's name is its task's id.
"""

from __future__ import annotations

import json
from typing import Any

from discovery.endpoints import Endpoint, EndpointPort, encoded_labels, endpoint_fields
from specs.ids import GroupId, TaskId


def services_of(root: str, stack: str) -> str:
    """The path of the stack's services."""
    return f"{root}/{stack}/services"


def group_of(root: str, group: GroupId) -> str:
    """The path of the group."""
    return f"{services_of(root, group.stack)}/{group.service}/{encoded_labels(group.labels)}"


def config_of(root: str, group: GroupId) -> str:
    """The key of the group's configuration."""
    return f"{group_of(root, group)}/config"


def info_of(root: str, group: GroupId, task_id: TaskId) -> str:
    """The key of a container's address and ports."""
    return f"{group_of(root, group)}/containers/{task_id}/info"


def task_in(key: str) -> TaskId | None:
    """The task whose info has this key; None for any other key."""
    parts = key.split("/")
    is_info = len(parts) > 6 and parts[-1] == "info" and parts[-3] == "containers" and parts[-6] == "services"
    return TaskId(parts[-2]) if is_info else None


def info_json(endpoint: Endpoint) -> bytes:
    """Theseus's information about a container, followed by the fields of the endpoint."""
    ports = {port.name or str(port.container_port): _mapping(port) for port in endpoint.ports}
    theseus: dict[str, Any] = {
        "instance_name": endpoint.task_id,
        "instance_host": endpoint.address,
        "instance_port": endpoint.ports[0].number if endpoint.ports else None,
        "port_mappings": ports,
    }
    return json.dumps(theseus | endpoint_fields(endpoint), separators=(",", ":")).encode()


def _mapping(port: EndpointPort) -> dict[str, str]:
    return {
        "external": f"{port.number}/{port.protocol}",
        "exposed": f"{port.container_port}/{port.protocol}",
    }


def is_config(key: str) -> bool:
    """Whether this is the key of a group's configuration."""
    parts = key.split("/")
    return len(parts) > 4 and parts[-1] == "config" and parts[-4] == "services"
