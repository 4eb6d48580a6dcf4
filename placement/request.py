"""The slots of a group that need an agent, and the agent that each of them got."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from specs.ids import AgentId, GroupId, VersionId
from specs.model.constraints import Rules
from specs.model.resources import Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Slots of one group that need an agent."""

    group: GroupId
    version: VersionId
    #: Pinned slots get an agent first, then slots with a home, then the lowest numbers.
    slots: tuple[int, ...]
    #: Desired tasks of the group in all, of which `slots` are a part.
    instances: int
    #: Resources of each slot, without ports. A scalar also matches as many items of a set of its name.
    resources: Resources
    #: A host port for each port of the container: its number, or None for any.
    host_ports: tuple[int | None, ...] = ()
    rules: Rules = Rules()
    #: Slots that can only run on this agent.
    pins: Mapping[int, AgentId] = field(default_factory=dict)
    #: The agents on which slots of a sticky group ran before.
    homes: Mapping[int, AgentId] = field(default_factory=dict)
    #: Points that agents lose with this group because they failed it lately.
    penalties: Mapping[AgentId, int] = field(default_factory=dict)
    #: Running tasks of the group that make way for others, by agent and version. They hold resources and count for
    #: limits (UNIQUE, MAX_PER), but not for evenness (GROUP_BY, spread).
    outgoing: Mapping[AgentId, Mapping[VersionId, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A slot put on an agent."""

    group: GroupId
    slot: int
    agent_id: AgentId
    #: In the order of the request's ports.
    host_ports: tuple[int, ...]
    #: All that it takes, with these ports and the exact items of sets.
    resources: Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Overhead:
    """The cost of our executor, paid once an agent."""

    resources: Resources = Resources()
    #: Agents on which it runs already, at no further cost.
    present: frozenset[AgentId] = frozenset()
