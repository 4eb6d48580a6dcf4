"""The slots of a group that need an agent, and the agent that each of them got."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from specs.ids import AgentId, GroupId, VersionId
from specs.model.constraints import Rules
from specs.model.resources import Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Slots of one group that want a place, in the order in which they get one.

    `instances` is how many the group shall have in all. `resources` has neither ports nor sets' items that any will do
    for; `host_ports` has an entry for each port: a number, or None for any port. `pins` are slots that may go to one
    agent only; `homes` the agents on which slots ran before, where the group is sticky. `penalties` are points that
    agents lose with this group, for lately having failed it.

    `outgoing` are the group's tasks, by agent and version, that make way: for those that are placed now, or for some
    that have come already. They take room and are counted by the rules that say how many there may be (UNIQUE,
    MAX_PER), but not where evenness is asked for (GROUP_BY, spread).
    """

    group: GroupId
    version: VersionId
    slots: tuple[int, ...]
    instances: int
    resources: Resources
    host_ports: tuple[int | None, ...] = ()
    rules: Rules = Rules()
    pins: Mapping[int, AgentId] = field(default_factory=dict)
    homes: Mapping[int, AgentId] = field(default_factory=dict)
    penalties: Mapping[AgentId, int] = field(default_factory=dict)
    outgoing: Mapping[AgentId, Mapping[VersionId, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A slot put on an agent. `host_ports` are in the order of the request's; `resources` is all that it takes, with
    these ports and the very items of sets."""

    group: GroupId
    slot: int
    agent_id: AgentId
    host_ports: tuple[int, ...]
    resources: Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Overhead:
    """What our executor takes on an agent, once, unless it is among `present`, the agents on which it runs."""

    resources: Resources = Resources()
    present: frozenset[AgentId] = frozenset()
