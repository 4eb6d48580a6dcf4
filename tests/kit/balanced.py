"""The model of a balancer for three groups, built from the routes of the test."""

from __future__ import annotations

from discovery.balancer.model import Exposed, Model, model_of
from discovery.endpoints import Endpoint, EndpointPort
from specs.ids import GroupId, TaskId, VersionId, group_id
from specs.model.routes import Route

WEB = group_id("shop", "web", ["prod"])


DEV = group_id("shop", "web", ["dev"])


API = group_id("shop", "api")


HOST = ("shop.example.org",)


def endpoints(group: GroupId, *numbers: int) -> tuple[Endpoint, ...]:
    """An endpoint for each host port, the name of it being http; another port is beside it."""
    return tuple(
        Endpoint(
            group=group,
            slot=slot,
            task_id=TaskId(f"{group.dotted}.{slot}.{slot}"),
            version=VersionId("0123456789ab"),
            hostname="agent1",
            address="10.0.0.5",
            ports=(
                EndpointPort(name="http", number=number, container_port=8080),
                EndpointPort(name="admin", number=number + 1000, container_port=8081),
            ),
        )
        for slot, number in enumerate(numbers)
    )


def served(*routes: tuple[GroupId, Route], has_certificates: bool = True, name: str = "external") -> Model:
    exposed = [Exposed(group=group, route=route) for group, route in routes]
    found = {WEB: endpoints(WEB, 31000, 31001), DEV: endpoints(DEV, 31002), API: endpoints(API, 31003)}
    return model_of(exposed, found, name=name, has_certificates=has_certificates)
