"""The meaning of a name in DNS: from the endpoints of tasks to addresses and ports. Pure.

A name is read from its end: the domain, the kind of answer, the stack, the service, and the part that narrows it.

    pricing.abc.service.DOMAIN                   service pricing of stack abc
    dev-frontend.web.shop.service.DOMAIN         its group of these labels
    2.pricing.abc.service.DOMAIN                 its slot 2;  2.dev-frontend.web.shop.service.DOMAIN that of a group
    _http._tcp.web.shop.service.DOMAIN           the port http of either, or _8080 by its number in the container

The label in the place of `service` selects the address, because only the client knows what it can reach:
`agent` for the agent's address and the port there, `container` for the container's own, `service` for whichever of
the two the server was told to give, and `all` for the same of tasks that are not ready, too.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from discovery.endpoints import Endpoint, EndpointPort
from specs import addresses
from specs.ids import GroupId

SERVICE, ALL, ADDRESS = "service", "all", "addr"
MESOS_SLAVE = "slave"
"""Mesos-DNS's label before its domain for the agent's address, whatever else is configured."""
_PROTOCOLS = ("_tcp", "_udp")

Groups = Mapping[GroupId, tuple[Endpoint, ...]]

ip = lru_cache(maxsize=65536)(addresses.ip)
"""As there; kept, as each question is about the same addresses."""


class Reach(StrEnum):
    """At which address a task is reached: the agent's, with the port there, or the container's own with its own."""

    AGENT = "agent"
    CONTAINER = "container"


@dataclass(frozen=True, slots=True, order=True)
class SrvTarget:
    """A port of an IP address."""

    address: str
    port: int


@dataclass(frozen=True, slots=True)
class KnownName:
    """A name that exists. `addresses` are those of the name itself, `targets` those of a port; both can be empty."""

    addresses: tuple[str, ...] = ()
    targets: tuple[SrvTarget, ...] = ()


class Names:
    """All endpoints by name. `default` is how tasks are reached unless a name says otherwise."""

    def __init__(self, default: Reach) -> None:
        self._default = default
        self._groups: Groups = {}
        self._stacks: dict[str, dict[str, _Service]] = {}

    def update(self, groups: Groups) -> list[tuple[str, str]]:
        """Replaces all groups; returns the stacks and services that have changed."""
        changed = [group for group in groups if groups[group] != self._groups.get(group)]
        gone = [group for group in self._groups if group not in groups]
        self._groups = groups
        for group in changed:
            self._stacks.setdefault(group.stack, {}).setdefault(group.service, _Service()).put(group, groups[group])
        for group in gone:
            services = self._stacks[group.stack]
            if services[group.service].drop(group):
                del services[group.service]
                if not services:
                    del self._stacks[group.stack]
        return list(dict.fromkeys((group.stack, group.service) for group in (*changed, *gone)))

    def find(self, path: Sequence[str], kind: str) -> KnownName | None:
        """The meaning of the labels before `kind`, the most specific first, in lower case; None if there is none."""
        reach = self._default if kind in (SERVICE, ALL) else Reach(kind)
        if not path:
            return KnownName()
        *rest, stack = path
        services = self._stacks.get(stack)
        if services is None:
            return None
        if not rest:
            return KnownName()
        found = services.get(rest.pop())
        return None if found is None else _narrowed(found, rest, reach)

    def find_as_mesos_dns(self, path: Sequence[str]) -> KnownName | None:
        """The meaning of the labels before FRAMEWORK.DOMAIN as Mesos-DNS names apps of Marathon: the
        app /shop/web is `web-shop`, its ports `_web-shop._tcp` or, by name, `_http._web-shop._tcp`."""
        return self._as_mesos_dns(path, self._default)

    def find_agents_as_mesos_dns(self, path: Sequence[str]) -> KnownName | None:
        """The same before FRAMEWORK.slave.DOMAIN: the agents' addresses, whatever the default."""
        return self._as_mesos_dns(path, Reach.AGENT)

    def _as_mesos_dns(self, path: Sequence[str], reach: Reach) -> KnownName | None:
        if not path:
            return KnownName()
        if path[-1] not in _PROTOCOLS:
            endpoints = self._joined(path[0]) if len(path) == 1 else []
            return KnownName(_addresses(endpoints, reach)) if endpoints else None
        *names, protocol = path
        if not names:
            return KnownName()
        task, port = names[-1], names[0] if len(names) == 2 else ""
        if not task.startswith("_") or len(names) > 2:
            return None
        targets = _targets(self._joined(task[1:]), protocol, port, reach)
        return KnownName(targets=targets) if targets else None

    def _joined(self, name: str) -> list[Endpoint]:
        """Those of the services that SERVICE-STACK may mean: either may have dashes of its own."""
        words = name.split("-")
        services = (
            self._stacks.get("-".join(words[cut:]), {}).get("-".join(words[:cut])) for cut in range(1, len(words))
        )
        return [endpoint for service in services if service for endpoint in service.narrowed(())]


class _Service:
    """The endpoints of a service, by whatever narrows its name."""

    def __init__(self) -> None:
        self._groups: dict[GroupId, tuple[Endpoint, ...]] = {}
        self._narrowed: Mapping[tuple[str, ...], list[Endpoint]] | None = None

    def put(self, group: GroupId, endpoints: tuple[Endpoint, ...]) -> None:
        self._groups[group] = endpoints
        self._narrowed = None

    def drop(self, group: GroupId) -> bool:
        """Whether no group is left."""
        del self._groups[group]
        self._narrowed = None
        return not self._groups

    def narrowed(self, path: tuple[str, ...]) -> list[Endpoint]:
        """Those that the labels before the service mean: none, those of a group, a slot, or the slot of a group.

        A group whose only label is a number has the name of that slot for itself.
        """
        if self._narrowed is None:
            groups: dict[tuple[str, ...], list[Endpoint]] = {}
            slots: dict[tuple[str, ...], list[Endpoint]] = {}
            every = [endpoint for endpoints in self._groups.values() for endpoint in endpoints]
            for endpoint in every:
                labels, slot = "-".join(endpoint.group.labels), str(endpoint.slot)
                slots.setdefault((slot,), []).append(endpoint)
                if labels:
                    groups.setdefault((labels,), []).append(endpoint)
                    groups.setdefault((slot, labels), []).append(endpoint)
            self._narrowed = {**slots, **groups, (): every}
        return self._narrowed.get(path, [])


def _narrowed(service: _Service, path: list[str], reach: Reach) -> KnownName | None:
    """The meaning of the rest of the path before the service: [_PORT._PROTOCOL][LABELS or SLOT or SLOT.LABELS]."""
    depth = next((depth for depth, label in enumerate(path) if label in _PROTOCOLS), None)
    if depth is None:
        endpoints = service.narrowed(tuple(path))
        return KnownName(_addresses(endpoints, reach)) if endpoints else None
    if depth > 1:
        return None
    targets = _targets(service.narrowed(tuple(path[depth + 1 :])), path[depth], path[0] if depth else "", reach)
    if not targets:
        return None
    return KnownName(targets=targets) if depth else KnownName()


def _targets(endpoints: Sequence[Endpoint], protocol: str, name: str, reach: Reach) -> tuple[SrvTarget, ...]:
    """The port `_NAME` or `_NUMBER` of each of these, each target once, in order; all its ports where no name is
    given."""
    found = {
        target
        for endpoint in endpoints
        for port in endpoint.ports
        if f"_{port.protocol}" == protocol
        and name in ("", f"_{port.name or port.container_port}", f"_{port.container_port}")
        for target in _reached(endpoint, port, reach)
    }
    return tuple(sorted(found))


def _reached(endpoint: Endpoint, port: EndpointPort, reach: Reach) -> Iterator[SrvTarget]:
    own = endpoint.addresses if reach is Reach.CONTAINER else ()
    number = port.container_port if own else port.number
    return (SrvTarget(address, number) for address in own or (endpoint.address,) if ip(address))


def _addresses(endpoints: Iterable[Endpoint], reach: Reach) -> tuple[str, ...]:
    """Each address once, in order; what is no IP address is left out. A task without an address of its own has its
    agent's."""
    found: dict[str, None] = {}
    for endpoint in endpoints:
        own = endpoint.addresses if reach is Reach.CONTAINER else ()
        found |= dict.fromkeys(address for address in own or (endpoint.address,) if ip(address))
    return tuple(sorted(found))


def address_label(address: str) -> str:
    """The label under `addr` whose one address this is: `10-0-0-5`, and `fd00-0-0-0-0-0-0-1` for fd00::1."""
    found = ipaddress.ip_address(address)
    if found.version == 4:
        return str(found).replace(".", "-")
    return "-".join(f"{int(part, 16):x}" for part in found.exploded.partition("%")[0].split(":"))


def address_of_label(label: str) -> str | None:
    """The address that such a label stands for; None where it stands for none."""
    words = label.split("-")
    found = ip((":" if len(words) == 8 else ".").join(words))
    return str(found) if found and address_label(str(found)) == label else None
