"""Container ports on host ports: which port of the agent leads to which of the task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from executor.core.order import Order
from specs.model.stack import Network, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """`host_port` of the agent's `address` leads to `container_port`; the two are the same number without a mapping."""

    name: str
    address: str
    host_port: int
    container_port: int
    protocol: Protocol


def bindings(order: Order) -> tuple[Binding, ...]:
    """The order's ports, in their order."""
    is_mapped = not order.is_process and order.container.network is Network.BRIDGE
    return tuple(
        Binding(
            name=port.name,
            address=order.address,
            host_port=host_port,
            container_port=(port.container_port or host_port) if is_mapped else host_port,
            protocol=port.protocol,
        )
        for port, host_port in zip(order.container.ports, order.host_ports, strict=True)
    )


def binding(order: Order, name: str) -> Binding | None:
    """The binding of the port with this name; the first port where the name is empty; None where there is none."""
    return next((found for found in bindings(order) if not name or found.name == name), None)


def port_settings(order: Order) -> tuple[dict[str, dict[str, str]], dict[str, list[dict[str, Any]]]]:
    """ExposedPorts and PortBindings in the Engine API's form; both empty where the network needs no mapping."""
    exposed: dict[str, dict[str, str]] = {}
    published: dict[str, list[dict[str, Any]]] = {}
    if order.container.network is not Network.BRIDGE:
        return exposed, published
    for bound in bindings(order):
        key = f"{bound.container_port}/{bound.protocol}"
        exposed[key] = {}
        published.setdefault(key, []).append({"HostIp": bound.address, "HostPort": str(bound.host_port)})
    return exposed, published
