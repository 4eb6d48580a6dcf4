"""Agents to place on without a scheduler, whichever file describes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from placement.agent import Agent
from specs.file.values import parse_integer
from specs.ids import AgentId, GroupId, VersionId
from specs.model.errors import Fault, StackError
from specs.model.resources import PortRanges, Resources

MAX_AGENTS = 20_000
EXECUTOR = Resources(cpus_milli=100, mem_mib=64)
"""The resources of the executor on each agent, where a file does not say."""
_MAX_PORT = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Agents to place on. `counts` are tasks that run there, by group, agent and version; `present` the agents that
    have our executor; `unavailable` those that are avoided, with the reason."""

    agents: tuple[Agent, ...]
    executor: Resources = EXECUTOR
    region: str = ""
    counts: Mapping[GroupId, Mapping[AgentId, Mapping[VersionId, int]]] = field(default_factory=dict)
    present: frozenset[AgentId] = frozenset()
    unavailable: Mapping[AgentId, str] = field(default_factory=dict)


def content_of(path: str, most_bytes: int) -> bytes:
    """The content of a file; raises StackError where it cannot be read, or is larger."""
    try:
        with Path(path).open("rb") as opened:
            content = opened.read(most_bytes + 1)
    except OSError as error:
        raise StackError([Fault("", f"cannot be read: {str(error.strerror).lower()}", path)]) from None
    if len(content) > most_bytes:
        raise StackError(
            [Fault("", f"the file has more than {most_bytes:,} bytes, which is the most that is read", path)]
        )
    return content


def parse_ports(text: str) -> PortRanges:
    """Port ranges from "31000-32000, 8080"; raises ValueError."""
    ranges = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        try:
            pair = (parse_integer(first), parse_integer(last if dash else first))
        except ValueError:
            pair = (0, 0)
        if not 0 < pair[0] <= pair[1] <= _MAX_PORT:
            raise ValueError(f"wanted port ranges within 1-{_MAX_PORT}, as 31000-32000; got {text!r}")
        ranges.append(pair)
    return PortRanges.of(ranges)
