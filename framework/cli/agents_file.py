"""agents.yml: agents that somebody thought up, to see what fits on them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from framework.cli.fleet import EXECUTOR, MAX_AGENTS, Fleet, content_of, parse_ports
from placement.agent import Agent
from specs.file.fields import Field, Found, Table
from specs.file.kinds import Anything, Integer, Parsed, Schema, Text
from specs.file.reader import Reader, Unreadable
from specs.file.source import Mapping as MappingNode
from specs.file.source import Node, Scalar, Sequence, describe, read_yaml
from specs.file.values import WANTED_CPUS, WANTED_SIZE, parse_cpus_milli, parse_size_mib
from specs.ids import AgentId
from specs.model.errors import Faults, StackError
from specs.model.limits import MAX_FILE_BYTES, MAX_GPUS
from specs.model.resources import PortRanges, Resources

PORTS = PortRanges.of([(31000, 32000)])
"""The ports that a Mesos agent offers by default."""
_OWN = ("cpus", "mem", "disk", "gpus", "ports")


def read_agents(path: str) -> Fleet:
    """The agents of an agents.yml; raises StackError with every mistake."""
    content = content_of(path, MAX_FILE_BYTES)
    root, found = read_yaml(content, path)
    faults = Faults()
    faults.add_all(found)
    reader = Reader(os.environ, "", faults)
    try:
        fleet = _fleet(reader, root)
    except Unreadable:
        fleet = None
    if faults or fleet is None:
        raise StackError(faults.in_order())
    return fleet


@dataclass(frozen=True, slots=True)
class _Ports:
    """Port ranges: "31000-32000", or several with commas."""

    def read(self, reader: Reader, node: Node) -> PortRanges:
        return reader.parsed(node, parse_ports, "port ranges, as 31000-32000")

    def schema(self) -> Schema:
        return {"type": ["string", "integer"]}


@dataclass(frozen=True, slots=True)
class _Custom:
    """Custom resources: a number is a scalar, a list a set."""

    def read(self, reader: Reader, node: Node) -> Resources:
        mapping = reader.mapping(node, "custom resources: a mapping of names to numbers or lists")
        scalars, sets = [], []
        for name, value in mapping.values.items():
            if name in _OWN:
                reader.fail(value, f"{name} is no custom resource; give it beside custom")
            if isinstance(value, Sequence):
                items = reader.each(partial(reader.text, item, "an item of the set") for item in value.items)
                sets.append((name, tuple(sorted(set(items)))))
            else:
                scalars.append((name, reader.parsed(value, _amount, "a number, or a list of items")))
        return Resources(scalars=tuple(sorted(scalars)), sets=tuple(sorted(one for one in sets if one[1])))

    def schema(self) -> Schema:
        return {"type": "object"}


@dataclass(frozen=True, slots=True)
class _Texts:
    """A text, or several that agents get in turn."""

    def read(self, reader: Reader, node: Node) -> tuple[str, ...]:
        items = node.items if isinstance(node, Sequence) else (node,)
        if not items:
            reader.fail(node, "wanted a text, or a list of texts that agents get in turn; got an empty list")
        return tuple(reader.each(partial(reader.text, item, "a text") for item in items))

    def schema(self) -> Schema:
        return {"type": ["string", "number", "array"]}


@dataclass(frozen=True, slots=True)
class _Attributes:
    """Names to such texts; a list in the place of a text is several values that one agent has."""

    def read(self, reader: Reader, node: Node) -> dict[str, tuple[tuple[str, ...], ...]]:
        mapping = reader.mapping(node, "attributes: a mapping of names to texts")
        read = reader.each(partial(self._turns, reader, value) for value in mapping.values.values())
        return dict(zip(mapping.values, read, strict=True))

    def _turns(self, reader: Reader, node: Node) -> tuple[tuple[str, ...], ...]:
        if not isinstance(node, Sequence) or not any(isinstance(item, Sequence) for item in node.items):
            return tuple((text,) for text in _Texts().read(reader, node))
        return tuple(reader.each(partial(_Texts().read, reader, item) for item in node.items))

    def schema(self) -> Schema:
        return {"type": "object"}


def _amount(text: str) -> int:
    amount = parse_cpus_milli(text)
    if amount <= 0:
        raise ValueError(f"wanted a number above 0; got {text}")
    return amount


def _memory(text: str) -> int:
    size = parse_size_mib(text)
    if size <= 0:
        raise ValueError(f"wanted a size above 0, as 4G; got {text}")
    return size


_AMOUNTS = (
    Field("cpus", Parsed(_amount, WANTED_CPUS), "cpus", "cpus"),
    Field("memory", Parsed(_memory, WANTED_SIZE), "memory", "memory"),
)
_AGENTS = Table(
    "agents",
    (
        Field("count", Integer(1, MAX_AGENTS), "count", "how many of them"),
        Field("hostname", Text("a host name"), "hostname", "host name; {n} is the number, from 1"),
        *_AMOUNTS,
        Field("disk", Parsed(parse_size_mib, WANTED_SIZE), "disk", "disk"),
        Field("gpus", Integer(0, MAX_GPUS), "gpus", "gpus"),
        Field("ports", _Ports(), "ports", "ports"),
        Field("custom", _Custom(), "custom", "custom resources"),
        Field("region", _Texts(), "region", "region"),
        Field("zone", _Texts(), "zone", "zone"),
        Field("attributes", _Attributes(), "attributes", "attributes"),
    ),
    refused={"role": "role is of no use here: say what our role may use as cpus, memory and so on"},
)
_FILE = Table(
    "the file",
    (
        Field("region", Text("the master's region"), "region", "the master's region"),
        Field("executor", Anything(), "executor", "what the executor takes on each agent"),
        Field("agents", Anything(), "agents", "the agents", may_be_null=True),
    ),
)
_EXECUTOR = Table("the executor", _AMOUNTS)


def _fleet(reader: Reader, root: Node) -> Fleet:
    region, executor, listed = "", EXECUTOR, root
    if isinstance(root, MappingNode):
        region = _value(_FILE.read(reader, root), "region", "")
        if "executor" in root.values:
            amounts = _EXECUTOR.read(reader, root.values["executor"])
            executor = Resources(cpus_milli=_value(amounts, "cpus", 0), mem_mib=_value(amounts, "memory", 0))
        listed = root.values.get("agents", Scalar(path="agents", file=root.file, line=root.line, column=1, text=""))
    if not isinstance(listed, Sequence) or not listed.items:
        got = "nothing" if isinstance(listed, Scalar) and listed.is_null else describe(listed)
        reader.fail(listed, f"wanted a list of agents, each as {{cpus: 4, memory: 16G}}; got {got}")
    agents: list[Agent] = []
    names: dict[str, Node] = {}
    for item in listed.items:
        for agent in _entry(reader, item, len(agents)):
            if agent.hostname in names:
                first = names[agent.hostname]
                reader.note(item, f"the host name {agent.hostname} stands here again; the first is at {first.place}")
                break
            names[agent.hostname] = item
            agents.append(agent)
        if len(agents) > MAX_AGENTS:
            reader.fail(item, f"more than {MAX_AGENTS:,} agents; that is the most that is simulated")
    return Fleet(agents=tuple(agents), executor=executor, region=region)


def _entry(reader: Reader, node: Node, before: int) -> Iterator[Agent]:
    """The agents of one entry of the list; nothing where it cannot be read."""
    count_of_faults = reader.faults.count
    empty = [one for one in getattr(node, "values", {}).values() if isinstance(one, Scalar) and one.is_null]
    if empty:
        reader.note(empty[0], "has no value; give one, or leave the key out")
        return
    found = _AGENTS.read(reader, node)
    if reader.faults.count == count_of_faults:
        for name in ("cpus", "memory"):
            if name not in found:
                reader.note(node, f"has no {name}; wanted what each of the agents has")
    count = _value(found, "count", 1)
    hostname = _value(found, "hostname", "")
    if count > 1 and hostname and "{n}" not in hostname:
        reader.note(found["hostname"].node, f"wanted {{n}} in it, as {hostname}{{n}}: {count} agents have other names")
    if reader.faults.count > count_of_faults:
        return
    amounts = Resources(
        cpus_milli=found["cpus"].value,
        mem_mib=found["memory"].value,
        disk_mib=_value(found, "disk", 0),
        gpus=_value(found, "gpus", 0),
        ports=_value(found, "ports", PORTS),
    ) + _value(found, "custom", Resources())
    attributes: dict[str, tuple[tuple[str, ...], ...]] = _value(found, "attributes", {})
    for number in range(count):
        name = hostname.replace("{n}", str(number + 1)) if hostname else f"agent{before + number + 1}"
        yield Agent(
            # Ids sort as the file lists the agents.
            id=AgentId(f"agent-{before + number + 1:05d}"),
            hostname=name,
            region=_turn(_value(found, "region", ("",)), number),
            zone=_turn(_value(found, "zone", ("",)), number),
            attributes=tuple(
                sorted((key, text) for key, turns in attributes.items() for text in turns[number % len(turns)])
            ),
            total=amounts,
            free=amounts,
        )


def _value(found: Mapping[str, Found], target: str, default: Any) -> Any:
    return found[target].value if target in found else default


def _turn(texts: tuple[str, ...], number: int) -> str:
    return texts[number % len(texts)]
