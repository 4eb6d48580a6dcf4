"""An agent as it is known beside its offers: from the master's list, from offers, from the store."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from specs.ids import AgentId
from specs.model.resources import Resources


class AgentState(StrEnum):
    """What the master says of an agent. Only ACTIVE ones are offered."""

    ACTIVE = "active"
    DRAINING = "draining"
    DRAINED = "drained"
    DEACTIVATED = "deactivated"
    DISCONNECTED = "disconnected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """What is known of an agent. `attributes` are (name, text) pairs sorted by name, in Marathon's form; an agent that
    was given one name several times has all its values.

    `total` is what our role may use of all that it has, `free` what of that nobody used when the master was last
    asked; None where it was not told. `window` is the planned maintenance: its begin and end in seconds since 1970,
    the end infinite where none is given.
    """

    id: AgentId
    hostname: str
    address: str = ""
    port: int = 0
    region: str = ""
    zone: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
    total: Resources | None = None
    free: Resources | None = None
    state: AgentState = AgentState.ACTIVE
    window: tuple[float, float] | None = None
