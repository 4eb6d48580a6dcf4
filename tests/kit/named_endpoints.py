"""Endpoints of tasks, named by group and slot."""

from __future__ import annotations

from discovery.dns.names import Groups
from discovery.endpoints import Endpoint, EndpointPort
from specs.ids import GroupId, VersionId, parse_group_id, task_id

HTTP = (EndpointPort(name="http", number=31000, container_port=80),)


def endpoint(
    group: str,
    slot: int = 0,
    *,
    address: str = "10.0.0.1",
    own: tuple[str, ...] = (),
    ports: tuple[EndpointPort, ...] = HTTP,
    serial: int = 1,
) -> Endpoint:
    """A task of `stack/service[label,label]`."""
    id = parse_group_id(group)
    assert id is not None
    return Endpoint(
        group=id,
        slot=slot,
        task_id=task_id(id, slot, serial),
        version=VersionId("0123456789ab"),
        hostname="agent1",
        address=address,
        ports=ports,
        addresses=own,
    )


def grouped(*endpoints: Endpoint) -> Groups:
    found: dict[GroupId, tuple[Endpoint, ...]] = {}
    for each in endpoints:
        found[each.group] = (*found.get(each.group, ()), each)
    return found
