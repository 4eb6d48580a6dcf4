"""Endpoints of groups for templates and resolvers. Agent, address and ports follow from the slot."""

from __future__ import annotations

from discovery.endpoints import Endpoint, EndpointPort
from discovery.templates.render_requests import Groups
from specs.ids import TaskId, VersionId, group_id

HTTP = EndpointPort(name="http", number=31000, container_port=80)


ADMIN = EndpointPort(name="admin", number=31001, container_port=81)


def endpoint(group: str, slot: int, *labels: str, ports: tuple[EndpointPort, ...] = (HTTP, ADMIN)) -> Endpoint:
    stack, _, service = group.partition("/")
    return Endpoint(
        group=group_id(stack, service, labels),
        slot=slot,
        task_id=TaskId(f"{service}.{slot}"),
        version=VersionId("v"),
        hostname=f"agent{slot}",
        address=f"10.0.0.{slot}",
        ports=ports,
        addresses=(f"172.17.0.{slot}",),
    )


def groups(*endpoints: Endpoint) -> Groups:
    found: dict[object, tuple[Endpoint, ...]] = {}
    for each in endpoints:
        found[each.group] = (*found.get(each.group, ()), each)
    return found  # type: ignore[return-value]
