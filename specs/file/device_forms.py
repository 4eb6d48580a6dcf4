"""The smaller things a container may be given: devices, ulimits, host names, and how their texts are checked."""

from __future__ import annotations

import ipaddress
import re
from functools import partial

from specs.file.kinds import Schema
from specs.file.reader import Reader
from specs.file.source import Mapping, Node, Sequence, describe
from specs.file.values import parse_integer
from specs.model.stack import Ulimit
from specs.suggestions import did_you_mean

_CAPABILITY = re.compile(r"(CAP_)?[A-Z][A-Z0-9_]*")
_ULIMITS = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
    "as",
    "maxlogins",
]


def parse_capability(text: str) -> str:
    """A capability without its prefix: "CAP_NET_ADMIN" -> "NET_ADMIN"."""
    if not _CAPABILITY.fullmatch(text.upper()):
        raise ValueError(f"wanted a capability, as NET_ADMIN or ALL; got {text!r}")
    return text.upper().removeprefix("CAP_")


def parse_address(text: str) -> str:
    """An IPv4 or IPv6 address."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError(f"wanted an IP address; got {text!r}") from None


def parse_device(text: str) -> str:
    """A device in Docker's text form, /dev/on/agent[:/dev/in/container[:rwm]]."""
    parts = text.split(":")
    if len(parts) > 3 or not all(part.startswith("/") for part in parts[:2]):
        raise ValueError(f"wanted a device as /dev/on/agent, or /dev/on/agent:/dev/in/container:rwm; got {text!r}")
    if len(parts) == 3 and not re.fullmatch("[rwm]{1,3}", parts[2]):
        raise ValueError(f"wanted some of r, w and m as a device's permissions; got {parts[2]!r}")
    return text


def parse_tmpfs(text: str) -> str:
    """A memory file system in Docker's text form, /path[:options]."""
    if not text.startswith("/"):
        raise ValueError(f"wanted an absolute path in the container, as /run or /run:size=64m; got {text!r}")
    return text


class ExtraHosts:
    """Host names and addresses: a list of name:address or name=address, or a mapping."""

    def read(self, reader: Reader, node: Node) -> tuple[str, ...]:
        if isinstance(node, Mapping):
            return tuple(reader.each(partial(_host, reader, value, name) for name, value in node.values.items()))
        if not isinstance(node, Sequence):
            reader.fail(node, f"wanted a mapping of names to addresses, or a list; got {describe(node)}")
        return tuple(reader.each(partial(_host, reader, item, "") for item in node.items))

    def schema(self) -> Schema:
        texts = {"type": "array", "items": {"type": "string"}}
        return {"anyOf": [{"type": "object", "additionalProperties": {"type": "string"}}, texts]}


def _host(reader: Reader, node: Node, name: str) -> str:
    text = reader.text(node, "name:address")
    if name:
        address = text
    else:
        found = re.fullmatch(r"([^:=\s]+)[:=](.+)", text)
        if not found:
            reader.fail(node, f"wanted name:address; got {text!r}")
        name, address = found[1], found[2].strip("[]")
    if address == "host-gateway":
        return f"{name}:{address}"
    try:
        return f"{name}:{parse_address(address)}"
    except ValueError as error:
        reader.fail(node, str(error))


class Ulimits:
    """A mapping of names to a limit, or to a soft and a hard one."""

    def read(self, reader: Reader, node: Node) -> tuple[Ulimit, ...]:
        limits = reader.mapping(node, "a mapping of ulimits")
        read = reader.each(partial(_ulimit, reader, name, value) for name, value in limits.values.items())
        return tuple(sorted(read, key=lambda limit: limit.name))

    def schema(self) -> Schema:
        number = {"type": ["integer", "string"]}
        both = {"type": "object", "properties": {"soft": number, "hard": number}, "required": ["soft", "hard"]}
        return {"type": "object", "additionalProperties": {"anyOf": [number, both]}}


def _ulimit(reader: Reader, name: str, node: Node) -> Ulimit:
    if name not in _ULIMITS:
        reader.fail(
            node, f"unknown ulimit {name!r}{did_you_mean(name, _ULIMITS) or '; known are ' + ', '.join(_ULIMITS)}"
        )
    if not isinstance(node, Mapping):
        limit = reader.parsed(node, parse_integer, "a whole number, or soft and hard")
        return Ulimit(name=name, soft=limit, hard=limit)
    if set(node.values) != {"soft", "hard"}:
        reader.fail(node, f"wanted the keys soft and hard; got {', '.join(node.values) or 'none'}")
    soft, hard = (reader.parsed(node.values[key], parse_integer, "a whole number") for key in ("soft", "hard"))
    if hard != -1 and (soft == -1 or soft > hard):
        reader.fail(node, f"wanted soft not above hard; got {soft} and {hard}")
    return Ulimit(name=name, soft=soft, hard=hard)
