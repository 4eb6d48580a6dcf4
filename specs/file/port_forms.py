"""Ports: `- 80`, `- "8080:80/udp"`, ranges, compose's long form, and mappings as `{http: 80, admin: "9000:9000"}`."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import NoReturn

from specs.file.kinds import Schema
from specs.file.reader import Reader, Unreadable
from specs.file.source import Mapping, Node, Sequence, describe
from specs.file.values import parse_integer
from specs.model.limits import MAX_PORTS
from specs.model.stack import Network, Port, Protocol
from specs.suggestions import did_you_mean

WANTED = 'a port as 80, "8080:80" (host:container) or "53/udp"'
_RANGE = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")
_LONG_KEYS = ("target", "published", "protocol", "name", "mode", "app_protocol", "host_ip")
_ADDRESS_REFUSED = (
    "names an address to bind to, {address}; ports are bound to the agent's own address. Leave the address out"
)


class Ports:
    """A service's ports. They are as written here; `on_network` completes them once the network is known."""

    def __init__(self, target: str) -> None:
        self._target = target

    def read(self, reader: Reader, node: Node) -> tuple[Port, ...]:
        ports: list[tuple[Port, Node]]
        if isinstance(node, Mapping):
            calls = [partial(self._named, reader, name, value) for name, value in node.values.items()]
        elif isinstance(node, Sequence):
            calls = [partial(self._item, reader, item) for item in node.items]
        else:
            reader.fail(node, f"wanted a list of ports, or a mapping of names to ports; got {describe(node)}")
        ports = [pair for pairs in reader.each(calls) for pair in pairs]
        if len(ports) > MAX_PORTS:
            reader.fail(node, f"wanted at most {MAX_PORTS} ports; got {len(ports):,}")
        for index, (_, origin) in enumerate(ports):
            reader.locate((self._target, index), origin)
        return _with_names([port for port, _ in ports])

    def _named(self, reader: Reader, name: str, node: Node) -> list[tuple[Port, Node]]:
        pairs = self._item(reader, node)
        if len(pairs) > 1:
            reader.fail(node, f"wanted one port for the name {name}; got the range {describe(node)}")
        return [(replace(port, name=name), origin) for port, origin in pairs]

    def _item(self, reader: Reader, node: Node) -> list[tuple[Port, Node]]:
        if isinstance(node, Mapping):
            return [(self._long(reader, node), node)]
        text = reader.text(node, WANTED)
        return [(port, node) for port in _short(reader, node, text)]

    def _long(self, reader: Reader, node: Mapping) -> Port:
        for key, value in node.values.items():
            if key not in _LONG_KEYS and not key.startswith("x-"):
                reader.note(value, f"unknown key {key!r} in a port{did_you_mean(key, _LONG_KEYS)}")
                raise Unreadable
        values = node.values
        if "target" not in values:
            reader.fail(node, "wanted the key target: the port in the container")
        if "host_ip" in values:
            address = reader.text(values["host_ip"], "an address")
            reader.fail(values["host_ip"], _ADDRESS_REFUSED.format(address=address))
        if "mode" in values and (mode := reader.text(values["mode"], "host")) != "host":
            reader.fail(
                values["mode"],
                f"{mode} is refused: each task has host ports of its own agent; leave mode out, or say host",
            )
        host = reader.parsed(values["published"], parse_integer, "a port") if "published" in values else 0
        return Port(
            name=reader.text(values["name"], "a name") if "name" in values else "",
            container_port=reader.parsed(values["target"], parse_integer, "a port"),
            host_port=host or None,
            protocol=_protocol(reader, values["protocol"]) if "protocol" in values else Protocol.TCP,
        )

    def schema(self) -> Schema:
        single = {"type": ["integer", "string"]}
        long = {
            "type": "object",
            "required": ["target"],
            "properties": {
                "target": {**single, "description": "The port in the container."},
                "published": {**single, "description": "The port on the agent; any of the offer if left out."},
                "protocol": {"enum": [protocol.value for protocol in Protocol]},
                "name": {"type": "string"},
                "mode": {"const": "host"},
                "app_protocol": {"type": "string"},
            },
            "additionalProperties": False,
        }
        one = {"anyOf": [single, long]}
        return {"anyOf": [{"type": "array", "items": one}, {"type": "object", "additionalProperties": one}]}


def _short(reader: Reader, node: Node, text: str) -> list[Port]:
    rest, slash, word = text.partition("/")
    protocol = _protocol_word(reader, node, word) if slash else Protocol.TCP
    parts = rest.rsplit(":", 1)
    if ":" in parts[0]:
        reader.fail(node, _ADDRESS_REFUSED.format(address=parts[0].rpartition(":")[0]))
    container = _range(reader, node, parts[-1], text)
    host = _range(reader, node, parts[0], text) if len(parts) == 2 and parts[0] else None
    if host is None:
        return [Port(name="", container_port=port, protocol=protocol) for port in container]
    if len(host) != len(container):
        reader.fail(
            node,
            f"has {len(host)} ports on the host's side and {len(container)} on the container's; wanted as many. "
            f"For any free host port write {parts[-1]} alone",
        )
    return [
        Port(name="", container_port=inside, host_port=outside or None, protocol=protocol)
        for outside, inside in zip(host, container, strict=True)
    ]


def _range(reader: Reader, node: Node, text: str, whole: str) -> range:
    found = _RANGE.fullmatch(text)
    if not found:
        _not_a_port(reader, node, whole)
    first, last = int(found[1]), int(found[2] or found[1])
    if last < first or last > 65535:
        if first == last:
            reader.fail(node, f"wanted a port from 1 to 65535; got {first}")
        reader.fail(node, f"wanted ports from 1 to 65535, in ascending order; got {first}-{last}")
    if last - first >= MAX_PORTS:
        reader.fail(node, f"wanted at most {MAX_PORTS} ports; got {last - first + 1:,}")
    return range(first, last + 1)


def _not_a_port(reader: Reader, node: Node, text: str) -> NoReturn:
    reader.fail(node, f"wanted {WANTED}; got {text!r}")


def _protocol(reader: Reader, node: Node) -> Protocol:
    return _protocol_word(reader, node, reader.text(node, "a protocol"))


def _protocol_word(reader: Reader, node: Node, word: str) -> Protocol:
    if word not in list(Protocol):
        reader.fail(node, f"unknown protocol {word!r}; wanted one of {', '.join(Protocol)}")
    return Protocol(word)


def _with_names(ports: list[Port]) -> tuple[Port, ...]:
    """Nameless ports are called after their container port: "80", "53-udp", and "80-8081" where "80" is taken."""
    named: list[Port] = []
    taken = {port.name for port in ports}
    for port in ports:
        name = port.name
        if not name:
            suffix = "" if port.protocol is Protocol.TCP else f"-{port.protocol}"
            name = f"{port.container_port}{suffix}"
            if name in taken and port.host_port is not None:
                name = f"{port.container_port}-{port.host_port}{suffix}"
            taken.add(name)
        named.append(replace(port, name=name))
    return tuple(named)


def on_network(port: Port, network: Network) -> Port:
    """The port as it is on a network. On the agent's own there is no mapping: a port that is named is the host's."""
    if network is not Network.HOST or port.container_port == 0:
        return port
    if port.host_port in (None, port.container_port):
        return replace(port, container_port=0, host_port=port.container_port)
    return port
