"""`routes` of a stack file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from specs.file.constraint_forms import located
from specs.file.fields import Field, Table
from specs.file.kinds import VARIABLE, Boolean, Choice, Integer, Schema, Text, Texts
from specs.file.reader import Reader, Unreadable
from specs.file.source import Mapping, Node, Sequence, describe
from specs.model.routes import DEFAULT_BALANCER, Balance, Route, RouteMode, Tls
from specs.model.stack import Port, Protocol
from specs.rules.broken import Where

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
