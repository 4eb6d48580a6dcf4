"""The memory of placing between two passes; written by core.placer, forgotten with the group or its slots."""

from __future__ import annotations

from dataclasses import dataclass, field

from framework.core.model import Instant
from framework.core.state.delay_scheduling import OfferWaits
from specs.ids import GroupId


@dataclass(frozen=True, slots=True)
class PendingCause:
    """Why the pending slots of a group found no place when placement last looked."""

    #: A sentence for people; nothing decides by it.
    text: str
    #: No agent fits: the sentence counts the agents by the rule that they do not meet.
    is_unplaced: bool = False


NO_OFFERS = PendingCause("waits for offers")
"""The cause before placement has looked."""


@dataclass(slots=True)
class PlacingMemory:
    """Causes, and what Mesos was asked for. Nothing of it is stored: a new leader begins with none."""

    #: Something has happened that placement must look at; it runs a moment later (Timer.PLACE).
    is_due: bool = False
    #: Groups with pending slots: why they found no place.
    causes: dict[GroupId, PendingCause] = field(default_factory=dict)
    #: When placement last found no place for a slot of a group, although nothing else kept it waiting.
    refused_at: dict[GroupId, Instant] = field(default_factory=dict)
    #: The rules for which a group found no place when that was last published as an event, and when.
    waits_published: dict[GroupId, tuple[tuple[str, ...], Instant]] = field(default_factory=dict)
    #: The number of unplaced slots of each group for which Mesos was last asked for offers.
    slots_sought: dict[GroupId, int] = field(default_factory=dict)
    #: Groups whose tasks came or went since Mesos was last asked: rules about tasks can allow now what was declined.
    moved: dict[GroupId, None] = field(default_factory=dict)
    #: When Mesos was last asked for offers because of `moved` or of new slots.
    moves_sought_at: Instant = 0.0
    #: Slots that wait for an offer of an agent that they prefer.
    offer_waits: OfferWaits = field(default_factory=OfferWaits)
