"""All that placement looks at beside the requests: a picture of the cluster at one moment."""

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
    """`free` is what each agent can give now: the sum of its offers; agents without an entry are not offered now.
    `estimated` are agents in it of which no offer is at hand, and what they have is only believed: of agents that are
    worth the same and have about as much room those at hand are taken.

    `unavailable` names agents that are avoided, with the reason ("is draining"). `region` is the master's, "" where it
    has none: agents of other regions are for groups whose constraints speak of @region.
    """

    cluster: Cluster
    free: Mapping[AgentId, Resources]
    occupancy: Occupancy = Occupancy()
    overhead: Overhead = Overhead()
    unavailable: Mapping[AgentId, str] = field(default_factory=dict)
    region: str = ""
    estimated: frozenset[AgentId] = frozenset()
