"""`routes` of a stack file, and the labels of Marathon-lb, which say the same."""

from __future__ import annotations

import re
from collections.abc import Sequence as Items
from dataclasses import replace
from typing import Any

from specs.constraint_forms import located
from specs.fields import Field, Table
from specs.kinds import VARIABLE, Boolean, Choice, Integer, Schema, Text, Texts
from specs.reader import Reader, Unreadable, Where
from specs.routes import DEFAULT_BALANCER, Balance, Route, RouteMode, Tls
from specs.source import Mapping, Node, Sequence, describe
from specs.stack import Port, Protocol
from specs.values import TRUE

_PORT = Integer(1, 65535, "a port of the balancer")


class _TlsWord:
    """true, false or also."""

    def read(self, reader: Reader, node: Node) -> Tls:
        words = {"true": Tls.ONLY, "false": Tls.NEVER, "also": Tls.ALSO}
        text = reader.text(node, "true, false or also").lower()
        if text not in words:
            reader.fail(node, f"wanted true, false or also; got {text!r}")
        return words[text]

    def schema(self) -> Schema:
        return {"anyOf": [{"enum": [True, False, "also"]}, {"type": "string", "pattern": VARIABLE}]}


ROUTE = Table(
    "a route",
    (
        Field("port", Text("the name of a port"), "port", "The port of the tasks, by its name (the one tcp port)."),
        Field("listen", _PORT, "listen", "The balancer's own port (80; 443 with TLS; mode tcp has to say one)."),
        Field(
            "host",
            Texts("route.host", "a host", or_one=True),
            "hosts",
            "Only requests for this host; a list of them; *.example.org is every name below (all).",
        ),
        Field("path", Text("a path"), "path", "Only this path and what is below it (/)."),
        Field("mode", Choice({mode.value: mode for mode in RouteMode}), "mode", "http, or tcp for connections (http)."),
        Field(
            "balance",
            Choice({balance.value: balance for balance in Balance}),
            "balance",
            "leastconn: to the task with the fewest; roundrobin: in turn; source: by the client's address (leastconn).",
        ),
        Field("sticky", Boolean(), "is_sticky", "Who was sent to a task comes back to it, by a cookie (false)."),
        Field(
            "tls",
            _TlsWord(),
            "tls",
            "The balancer speaks TLS. true: who comes without is sent to it; also: with and without (false).",
        ),
        Field(
            "balancer",
            Texts("route.balancer", "the name of a balancer", or_one=True),
            "balancers",
            f"Which balancers serve it, by their --name: one or a list ({DEFAULT_BALANCER}).",
        ),
    ),
)


class Routes:
    """One route or a list. Gives a tuple; each stands at (target, its place)."""

    def __init__(self, target: str) -> None:
        self._target = target

    def read(self, reader: Reader, node: Node) -> tuple[Route, ...]:
        items = node.items if isinstance(node, Sequence) else (node,)
        return tuple(located(reader, self._target, items, self._one))

    def _one(self, reader: Reader, node: Node, where: Where) -> Route:
        reader.locate(where, node)
        if not isinstance(node, Mapping):
            reader.fail(node, f"wanted a route: a mapping with host, path or listen; got {describe(node)}")
        before = reader.faults.count
        values: dict[str, Any] = {name: one.value for name, one in ROUTE.read(reader, node).items()}
        if reader.faults.count > before:
            raise Unreadable
        return Route(**values)

    def schema(self) -> Schema:
        one = ROUTE.schema()
        return {"anyOf": [{"type": "array", "items": one}, one]}


def completed(routes: tuple[Route, ...], ports: tuple[Port, ...]) -> tuple[Route, ...]:
    """The routes, those that name no port leading to the only one there is."""
    names = [port.name for port in ports if port.protocol is Protocol.TCP]
    return tuple(replace(each, port=names[0]) if not each.port and len(names) == 1 else each for each in routes)


_LABEL = re.compile(r"HAPROXY_(?P<index>[0-9]{1,3})_(?P<name>[A-Z_]+)")
_BALANCES = {"roundrobin": Balance.ROUNDROBIN, "leastconn": Balance.LEASTCONN, "source": Balance.SOURCE}
GROUP = "HAPROXY_GROUP"


def routes_of_labels(labels: Items[tuple[str, str]], ports: tuple[Port, ...]) -> tuple[Route, ...]:
    """What Marathon-lb would have made of these labels; nothing without HAPROXY_GROUP. The numbers in them count the
    tcp ports. Raises ValueError, in words for the user, for a value that is none."""
    named = dict(labels)
    balancers = tuple(dict.fromkeys(each.strip() for each in named.get(GROUP, "").split(",") if each.strip()))
    if not balancers:
        return ()
    by_index: dict[int, dict[str, str]] = {}
    for label, value in labels:
        if found := _LABEL.fullmatch(label):
            by_index.setdefault(int(found["index"]), {})[found["name"]] = value
    names = [port.name for port in ports if port.protocol is Protocol.TCP]
    routes: list[Route] = []
    for index in sorted(by_index):
        own = by_index[index]
        if own.get("ENABLED", "true").lower() not in TRUE:
            continue
        if index >= len(names):
            raise ValueError(f"HAPROXY_{index}_…: there are {len(names)} tcp ports, counted from 0; wanted one of them")
        routes += _of_one(index, own, names[index], balancers)
    return tuple(routes)


def _of_one(index: int, own: dict[str, str], port: str, balancers: tuple[str, ...]) -> list[Route]:
    """The routes of a port: one for its hosts, one for its port of the balancer."""
    hosts = tuple(host.strip().lower() for host in own.get("VHOST", "").split(",") if host.strip())
    mode = _word(
        index, own, "MODE", {mode.value: mode for mode in RouteMode}, RouteMode.HTTP if hosts else RouteMode.TCP
    )
    common = Route(
        port=port,
        balance=_word(index, own, "BALANCE", _BALANCES, Balance.ROUNDROBIN),
        is_sticky=own.get("STICKY", "false").lower() in TRUE and mode is RouteMode.HTTP,
        balancers=balancers,
    )
    routes: list[Route] = []
    if hosts:
        tls = Tls.ONLY if own.get("REDIRECT_TO_HTTPS", "false").lower() in TRUE else Tls.ALSO
        routes.append(replace(common, hosts=hosts, path=own.get("PATH", "/"), tls=tls))
    if "PORT" in own:
        if not re.fullmatch(r"[0-9]{1,5}", own["PORT"]):
            raise ValueError(f"HAPROXY_{index}_PORT: wanted a port from 1 to 65535; got {own['PORT']!r}")
        routes.append(replace(common, mode=mode, listen=int(own["PORT"])))
    return routes


def _word(index: int, own: dict[str, str], name: str, words: dict[str, Any], default: Any) -> Any:
    if name not in own:
        return default
    if own[name].lower() not in words:
        raise ValueError(f"HAPROXY_{index}_{name}: wanted one of {', '.join(words)}; got {own[name]!r}")
    return words[own[name].lower()]
