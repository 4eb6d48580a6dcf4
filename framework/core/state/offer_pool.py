"""The pool of held offers, whether Mesos is to send more, and what is believed to be free where no offer is held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from framework.core.commands import Command, Decline, Revive, Suppress
from framework.core.model import Instant
from framework.core.state.executor_choice import free_in
from placement.agent import Agent
from placement.offer import Offer
from specs.ids import AgentId, OfferId
from specs.model.resources import Resources

REVIVE_LEAST_SECONDS, REVIVE_MOST_SECONDS = 0.1, 1.0
REVIVE_SECONDS_PER_AGENT = 0.002
REPORT_LAGS_SECONDS = 2.0
"""A report of the master may be so old: it counts an offer that we gave back since as given out."""


@dataclass(slots=True)
class OfferPool:
    """Offers that may still be used, in the order of their arrival."""

    #: The offers, each with when it came.
    held: dict[OfferId, tuple[Offer, Instant]] = field(default_factory=dict)
    is_suppressed: bool = False
    revived_at: Instant = 0.0
    #: The number of offers since the subscription.
    received: int = 0
    #: Agents whose offers have changed since the view was last built.
    touched: dict[AgentId, None] = field(default_factory=dict)
    #: Resources that seem free on agents without a held offer: what our last offer left there and what ended since, or
    #: what the master's list has.
    believed: dict[AgentId, Resources] = field(default_factory=dict)
    #: When the last offer of an agent went, by agent.
    _given_back: dict[AgentId, Instant] = field(default_factory=dict)
    _of_agent: dict[AgentId, dict[OfferId, None]] = field(default_factory=dict)

    def subscribed(self) -> None:
        """A new subscription: what was offered before is void, and offers come unasked."""
        self.clear()
        self.is_suppressed = False
        self.revived_at = 0.0
        self.received = 0
        self.believed.clear()
        self._given_back.clear()

    def clear(self) -> None:
        """Forgets all offers: they are void."""
        for id in list(self.held):
            self.remove(id)

    def add(self, offers: tuple[Offer, ...], now: Instant) -> None:
        """Takes offers into the pool."""
        for offer in offers:
            self.held[offer.id] = (offer, now)
            self.received += 1
            self._of_agent.setdefault(offer.agent_id, {})[offer.id] = None
            self.touched[offer.agent_id] = None
            self.believed.pop(offer.agent_id, None)

    def remove(self, id: OfferId) -> None:
        """Takes an offer out, if it is there: it was used, declined or rescinded."""
        held = self.held.pop(id, None)
        if held is None:
            return
        agent_id = held[0].agent_id
        of_agent = self._of_agent[agent_id]
        del of_agent[id]
        if not of_agent:
            del self._of_agent[agent_id]
        self.touched[agent_id] = None

    def by_agent(self) -> dict[AgentId, tuple[Offer, ...]]:
        """The held offers of each agent."""
        return {agent_id: tuple(self.held[id][0] for id in ids) for agent_id, ids in self._of_agent.items()}

    def free(self, agent_id: AgentId) -> Resources | None:
        """All that is offered of an agent, None where nothing is."""
        ids = self._of_agent.get(agent_id)
        return free_in([self.held[id][0] for id in ids]) if ids else None

    def oldest(self) -> Instant | None:
        """When the longest held offer came, None where none is held."""
        return next(iter(self.held.values()))[1] if self.held else None

    def decline(self, seconds: float, now: Instant, older_than: Instant | None = None) -> list[Command]:
        """Declines all held offers, or those that came at or before `older_than`, for `seconds`."""
        ids = tuple(id for id, (_, at) in self.held.items() if older_than is None or at <= older_than)
        for id in ids:
            offer = self.held[id][0]
            self.remove(id)
            self.give_back(offer.agent_id, offer.resources, now)
        return [Decline(offer_ids=ids, refuse_seconds=seconds)] if ids else []

    # ---- beliefs ------------------------------------------------------------------

    def give_back(self, agent_id: AgentId, rest: Resources, now: Instant) -> None:
        """So much of an offer that is held no longer is free again."""
        self._given_back[agent_id] = now
        self.free_again(agent_id, rest)

    def free_again(self, agent_id: AgentId, amount: Resources) -> None:
        """So much is free that was not: given back, or of a task that has ended."""
        if agent_id in self._given_back:
            known = self.believed.get(agent_id)
            self.believed[agent_id] = amount if known is None else known + amount

    def report(self, agents: Sequence[Agent], now: Instant) -> list[AgentId]:
        """Takes what the master says is free, but where an offer that it counts may be here or on its way back; returns
        the agents of which it is other than was believed."""
        changed = []
        reported = {agent.id: None for agent in agents}
        for id in [id for id in self._given_back if id not in reported]:
            self.believed.pop(id, None)
            del self._given_back[id]
        for agent in agents:
            lags = now < self._given_back.get(agent.id, -REPORT_LAGS_SECONDS) + REPORT_LAGS_SECONDS
            if agent.free is None or lags or agent.id in self._of_agent or self.believed.get(agent.id) == agent.free:
                continue
            self.believed[agent.id] = agent.free
            self._given_back.setdefault(agent.id, -REPORT_LAGS_SECONDS)
            changed.append(agent.id)
        return changed

    def is_held(self, agent_id: AgentId) -> bool:
        """Whether an offer of the agent is held."""
        return agent_id in self._of_agent

    # ---- Mesos --------------------------------------------------------------------

    def may_revive_at(self, agents: int) -> Instant:
        """When Mesos may be asked for offers again."""
        return self.revived_at + between_revives(agents)

    def suppress(self) -> list[Command]:
        """Asks for no more offers, once."""
        if self.is_suppressed:
            return []
        self.is_suppressed = True
        return [Suppress()]

    def revive(self, now: Instant, agents: int) -> tuple[list[Command], Instant]:
        """Asks for offers again, also for those that were declined; the less often, the more agents there are.

        Returns the commands, and the Instant to ask again at where it is too early, else 0.
        """
        earliest = self.may_revive_at(agents)
        if now < earliest:
            return [], earliest
        self.is_suppressed = False
        self.revived_at = now
        return [Revive()], 0.0


def between_revives(agents: int) -> float:
    """Seconds from one revive to the next. Mesos answers each by an allocation that looks at every agent, and by an
    offer of each that has room; without one, what has come free is offered once a second."""
    return min(max(agents * REVIVE_SECONDS_PER_AGENT, REVIVE_LEAST_SECONDS), REVIVE_MOST_SECONDS)
