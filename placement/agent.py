"""An agent as it is known beside its offers: from the master's list, from offers, from the store."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from specs.ids import AgentId
from specs.model.resources import Resources


class AgentState(StrEnum):
    """The state of an agent by the master. Only ACTIVE agents are offered."""

    ACTIVE = "active"
    DRAINING = "draining"
    DRAINED = "drained"
    DEACTIVATED = "deactivated"
    DISCONNECTED = "disconnected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """An agent, from the master's list, from its offers, or from the store."""

    id: AgentId
    hostname: str
    #: IP address, "" where unknown.
    address: str = ""
    #: Port of the HTTP API, 0 where unknown.
    port: int = 0
    #: Fault domain; "" where the agent has none.
    region: str = ""
    zone: str = ""
    #: (name, text) pairs sorted by name, in Marathon's form. A name that was given several times has all its values.
    attributes: tuple[tuple[str, str], ...] = ()
    #: Resources that our role can use if nothing else runs there; None where the master did not report it.
    total: Resources | None = None
    #: The part of `total` that was unused when the master was last asked; None where it did not report it.
    free: Resources | None = None
    state: AgentState = AgentState.ACTIVE
    #: Planned maintenance: begin and end in seconds since 1970, the end infinite where none is given.
    window: tuple[float, float] | None = None
