"""An offer of an agent's resources, as placement sees it."""

from __future__ import annotations

from dataclasses import dataclass

from specs.ids import AgentId, ExecutorId, OfferId
from specs.model.resources import Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationPool:
    """Resources that are reserved alike: `reservation` is Mesos's own JSON of it, canonical, "" where unreserved."""

    reservation: str = ""
    resources: Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a master offered of one agent to one role.

    `resources` are all that we may use, unreserved or reserved for our role; where some are reserved, `pools` says
    what they are made of, and is empty else. `address` is the agent's IP, to which tasks bind their ports;
    `agent_port` that of its HTTP API. `attributes` are (name, text) pairs sorted by name. `executor_ids` are our
    executors that already run there. `window` is planned maintenance, as in Agent.
    """

    id: OfferId
    agent_id: AgentId
    hostname: str
    address: str
    agent_port: int
    role: str
    resources: Resources
    attributes: tuple[tuple[str, str], ...] = ()
    region: str = ""
    zone: str = ""
    executor_ids: tuple[ExecutorId, ...] = ()
    pools: tuple[ReservationPool, ...] = ()
    window: tuple[float, float] | None = None
