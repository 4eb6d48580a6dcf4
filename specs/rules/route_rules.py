"""Rules for the routes of a group: they become lines of a balancer's configuration, so nothing strange is let
through."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product

from specs.ids import name_fault
from specs.model.routes import Route, RouteMode, Tls
from specs.model.stack import Group, Protocol
from specs.rules.broken import Broken, Where

MAX_ROUTES = 50
MAX_HOSTS = 50
MAX_HOST = 253
MAX_PATH = 500
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
HOST = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*")
PATH = re.compile(r"/[A-Za-z0-9._~@:+=/-]*")


def broken(group: Group) -> Iterator[Broken]:
    """Every rule that the routes break."""
    if len(group.routes) > MAX_ROUTES:
        yield Broken(message=f"wanted at most {MAX_ROUTES} routes; got {len(group.routes):,}", where=("routes",))
        return
    names = [port.name for port in group.container.ports if port.protocol is Protocol.TCP]
    taken: dict[tuple[str, int, str, str], int] = {}
    for index, route in enumerate(group.routes):
        where: Where = ("routes", index)
        yield from _port(route, names, where)
        yield from (Broken(message=message, where=where) for message in _faults(route))
        for balancer, host in product(route.balancers, route.hosts or ("",)):
            key = (balancer, route.listen, host, route.path)
            if key in taken:
                message = f"another route of this group has the same address, {address(route)}; keep one of them. It is"
                yield Broken(message=message, where=where, other=("routes", taken[key]))
                break
            taken.setdefault(key, index)


def address(route: Route) -> str:
    """Where a balancer serves it, for people."""
    if route.mode is RouteMode.TCP:
        return f"port {route.listen}"
    host = ", ".join(route.hosts) or "any host"
    port = f":{route.listen}" if route.listen else ""
    return f"{host}{port}{route.path}"


def _port(route: Route, names: list[str], where: Where) -> Iterator[Broken]:
    about = ("routes", "container.ports", "expose")
    if not names:
        yield Broken(
            message="a route leads to a tcp port, and there is none; name it under ports", where=where, about=about
        )
    elif not route.port:
        message = f"which port? There are several; add port: {' or '.join(names)}"
        yield Broken(message=message, where=where, about=about)
    elif route.port not in names:
        message = f"there is no tcp port {route.port!r}; there are {', '.join(names)}"
        yield Broken(message=message, where=where, about=about)


def _faults(route: Route) -> Iterator[str]:
    if not 0 <= route.listen <= 65535:
        yield f"wanted listen from 1 to 65535; got {route.listen}"
    if len(route.hosts) > MAX_HOSTS:
        yield f"wanted at most {MAX_HOSTS} hosts; got {len(route.hosts):,}"
    for host in route.hosts[:MAX_HOSTS]:
        if not HOST.fullmatch(host) or len(host) > MAX_HOST:
            yield f"wanted a host as shop.example.org or *.example.org, in small letters; got {host[:100]!r}"
    if not PATH.fullmatch(route.path) or len(route.path) > MAX_PATH:
        yield f"wanted a path that begins with /, of letters, digits and . _ ~ @ : + = / -; got {route.path[:100]!r}"
    for name in route.balancers:
        if fault := name_fault(name):
            yield f"the balancer's name {name!r} {fault}"
    if not route.balancers:
        yield "wanted the name of a balancer; got none"
    if route.mode is RouteMode.TCP:
        for said, key in (
            (route.hosts, "host"),
            (route.path != "/", "path"),
            (route.is_sticky, "sticky"),
            (route.tls is not Tls.NEVER, "tls"),
        ):
            if said:
                yield f"a route of connections (mode: tcp) has no {key}; leave it out, or make it mode: http"
        if not route.listen:
            yield "a route of connections (mode: tcp) wants a port of the balancer; add listen: PORT"
