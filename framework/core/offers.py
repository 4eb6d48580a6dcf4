"""The pool of held offers, and whether Mesos is to send more."""

from __future__ import annotations

from dataclasses import dataclass, field

from framework.core.commands import Command, Decline, Revive, Suppress
from framework.core.model import Instant
from framework.core.views import AgentView
from placement.offer import Offer
from specs.ids import OfferId

REVIVE_EVERY_SECONDS = 1.0


@dataclass(slots=True)
class OfferPool:
    """Offers that may still be used, in the order of their arrival."""

    held: dict[OfferId, tuple[Offer, Instant]] = field(default_factory=dict)
    agents: dict[str, AgentView] = field(default_factory=dict)
    """The agents that were heard of, by id; kept for readers."""
    is_suppressed: bool = False
    revived_at: Instant = 0.0
    received: int = 0
    """How many offers came since the subscription."""

    def subscribed(self) -> None:
        """A new subscription: what was offered before is void, and offers come unasked."""
        self.held.clear()
        self.is_suppressed = False
        self.revived_at = 0.0
        self.received = 0

    def add(self, offers: tuple[Offer, ...], now: Instant) -> None:
        """Takes offers into the pool."""
        for offer in offers:
            self.held[offer.id] = (offer, now)
            self.received += 1
            self.agents[offer.agent_id] = AgentView(
                id=offer.agent_id,
                hostname=offer.hostname,
                address=offer.address,
                port=offer.agent_port,
                offered=offer.resources,
                attributes=offer.attributes,
            )

    def offers(self) -> list[Offer]:
        return [offer for offer, _ in self.held.values()]

    def oldest(self) -> Instant | None:
        """When the longest held offer came, None where none is held."""
        return next(iter(self.held.values()))[1] if self.held else None

    def decline(self, seconds: float, older_than: Instant | None = None) -> list[Command]:
        """Declines all held offers, or those that came at or before `older_than`, for `seconds`."""
        ids = tuple(id for id, (_, at) in self.held.items() if older_than is None or at <= older_than)
        for id in ids:
            del self.held[id]
        return [Decline(offer_ids=ids, refuse_seconds=seconds)] if ids else []

    def suppress(self) -> list[Command]:
        """Asks for no more offers, once."""
        if self.is_suppressed:
            return []
        self.is_suppressed = True
        return [Suppress()]

    def revive(self, now: Instant) -> tuple[list[Command], Instant]:
        """Asks for offers again, also for those that were declined, at most once in REVIVE_EVERY_SECONDS.

        Returns the commands, and the Instant to ask again at where it is too early, else 0.
        """
        earliest = self.revived_at + REVIVE_EVERY_SECONDS
        if now < earliest:
            return [], earliest
        self.is_suppressed = False
        self.revived_at = now
        return [Revive()], 0.0
