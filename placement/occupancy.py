"""The tasks that run already: how many, of which group and version, on which agent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from specs.ids import AgentId, GroupId, VersionId
from specs.model.constraints import Neighbour

TaskCounts = Mapping[GroupId, Mapping[AgentId, Mapping[VersionId, int]]]
"""Living tasks by group, agent and version. Unreachable tasks are not counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupancy:
    """Everything that placement knows of tasks that run already."""

    #: Living tasks by group, agent and version, for all groups of all stacks.
    counts: TaskCounts = field(default_factory=dict)
    #: The hard "apart" rules of all groups, each with its group. They keep the others away too.
    apart: tuple[tuple[GroupId, Neighbour], ...] = ()
