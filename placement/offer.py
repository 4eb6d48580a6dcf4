"""An offer of an agent's resources, as placement sees it."""

from __future__ import annotations

from dataclasses import dataclass

from specs.ids import AgentId, ExecutorId, OfferId
from specs.model.resources import Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationPool:
    """Resources with the same reservation."""

    #: Mesos's JSON of the reservation, canonical; "" where unreserved.
    reservation: str = ""
    resources: Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An offer of one agent's resources to one role."""

    id: OfferId
    agent_id: AgentId
    hostname: str
    #: IP address of the agent, to which tasks bind their ports.
    address: str
    #: Port of the agent's HTTP API.
    agent_port: int
    role: str
    #: All that we can use: unreserved, or reserved for our role.
    resources: Resources
    #: (name, text) pairs sorted by name, as in Agent.
    attributes: tuple[tuple[str, str], ...] = ()
    region: str = ""
    zone: str = ""
    #: Our executors that already run there.
    executor_ids: tuple[ExecutorId, ...] = ()
    #: The parts of `resources` by reservation; empty where all of it is unreserved.
    pools: tuple[ReservationPool, ...] = ()
    #: Planned maintenance: begin and end in seconds since 1970, as in Agent.
    window: tuple[float, float] | None = None
