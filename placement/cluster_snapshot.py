"""The input of placement beside the requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from placement.cluster import Cluster
from placement.occupancy import Occupancy
from placement.request import Overhead
from specs.ids import AgentId
from specs.model.resources import Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSnapshot:
    """The cluster at one moment: all that placement looks at beside the requests."""

    cluster: Cluster
    #: Free resources: the sum of each agent's offers. An agent without an entry is not offered now.
    free: Mapping[AgentId, Resources]
    occupancy: Occupancy = Occupancy()
    overhead: Overhead = Overhead()
    #: Agents that are avoided, with the reason ("is draining").
    unavailable: Mapping[AgentId, str] = field(default_factory=dict)
    #: The master's region, "" where it has none. Only groups with a constraint on @region use agents of other regions.
    region: str = ""
    #: Agents in `free` without an offer at hand: their free resources are an estimate. Of agents that are worth the
    #: same and have about as much free, those at hand are taken.
    estimated: frozenset[AgentId] = frozenset()
