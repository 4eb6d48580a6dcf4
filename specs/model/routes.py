"""Routes: under which address outside of the cluster a balancer serves a group."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

DEFAULT_BALANCER = "external"
HTTP_PORT = 80
HTTPS_PORT = 443


class RouteMode(StrEnum):
    """The protocol of a route, as its balancer understands it: requests, or connections only."""

    HTTP = "http"
    TCP = "tcp"


class Balance(StrEnum):
    """To which task the next request goes: the one with the fewest, each in turn, or by the address of who asks."""

    LEASTCONN = "leastconn"
    ROUNDROBIN = "roundrobin"
    SOURCE = "source"


class Tls(StrEnum):
    """Whether a balancer speaks TLS for a route: never; as well as without; only, and sends who comes without to it."""

    NEVER = "never"
    ALSO = "also"
    ONLY = "only"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A way from a balancer's port to a port of a group's tasks, `port` being its name.

    `listen` 0: HTTP's port, or that of HTTPS. With `hosts` only requests for one of these; `*.example.org` is every
    name below. `path` and what is below it. Connections (TCP) have neither, and a `listen` that is given. `is_sticky`:
    who has been to a task comes back to it. It is for balancers that are called one of `balancers`.
    """

    port: str = ""
    listen: int = 0
    hosts: tuple[str, ...] = ()
    path: str = "/"
    mode: RouteMode = RouteMode.HTTP
    balance: Balance = Balance.LEASTCONN
    is_sticky: bool = False
    tls: Tls = Tls.NEVER
    balancers: tuple[str, ...] = (DEFAULT_BALANCER,)

    def __post_init__(self) -> None:
        """A host name with its final dot (shop.example.org.) is the same host: it is kept without."""
        if any(host.endswith(".") for host in self.hosts):
            object.__setattr__(self, "hosts", tuple(dict.fromkeys(host.removesuffix(".") for host in self.hosts)))
