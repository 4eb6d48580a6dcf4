"""All agents that we know: their facts, whether placement must avoid them, and the Cluster for placement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from framework.core.model import Instant, KnownAgent
from placement.agent import Agent, AgentState
from placement.cluster import Cluster
from placement.offer import Offer
from specs.ids import AgentId
from specs.model.resources import Resources

_PHRASES = {
    AgentState.DRAINING: "is draining",
    AgentState.DRAINED: "is drained",
    AgentState.DEACTIVATED: "is deactivated",
    AgentState.DISCONNECTED: "is disconnected",
}
ABSENT = "is not registered with the master"
DRAINING = frozenset({AgentState.DRAINING, AgentState.DRAINED})
"""States in which Mesos itself ends the tasks of an agent."""


class Agents:
    """The facts of agents: from the master's list, and from offers that came since. Agents in neither, but with tasks
    of ours that can be reached, have their facts from the store: they count in their rack, and get no new tasks."""

    def __init__(self) -> None:
        self.present: dict[AgentId, Agent] = {}
        """The agents that are listed or were offered."""
        self.absent: dict[AgentId, Agent] = {}
        """Other agents on which tasks of ours were at the last refresh."""
        self.unavailable: dict[AgentId, str] = {}
        self.draining: dict[AgentId, None] = {}
        """Agents that drain, or whose maintenance begins soon."""
        self.boundary: Instant = 0.0
        """When the next maintenance window begins or ends, so that `unavailable` changes; 0 where none does."""
        self.is_awaited = False
        """Whether placing waits for the list, so that rules about racks see all racks."""
        self.is_known = False
        """Whether a list has come since our start, or its time-out."""
        self.problem = ""
        self.region = ""
        self.revision = 0
        """Raised by every change of facts, of presence, and of `unavailable`; not of free resources."""
        self.refreshed_at: Instant = 0.0
        """When agent_changes last looked which agents placement must avoid."""
        self.reviewed = (0, False)
        """`revision` and `is_known` as they were then: only where they differ now is anything reviewed."""
        self.touched: dict[AgentId, None] = {}
        """Agents of which something changed since the view was last built."""
        self._unreported: dict[AgentId, None] = {}
        self.launched: dict[AgentId, tuple[Resources, tuple[Resources, ...]]] = {}
        """Agents on which tasks were launched since the last list: the resources last offered, and the ones taken."""
        self._machines: dict[tuple[str, str], dict[AgentId, None]] = {}
        """The present agents by host name and address: more than one where a machine has several."""
        self._cluster = Cluster(())
        self._is_stale = False

    @property
    def cluster(self) -> Cluster:
        """All agents, for placement."""
        if self._is_stale:
            self._cluster = self._cluster.renewed((*self.present.values(), *self.absent.values()))
            self._is_stale = False
        return self._cluster

    def get(self, id: AgentId) -> Agent | None:
        """The facts of an agent, None where we do not know it."""
        return self.present.get(id) or self.absent.get(id)

    def successor(self, id: AgentId, hostname: str, address: str) -> Agent | None:
        """The present agent with the host name and address of one that is gone, under another id. None where the agent
        itself is present, or none is there."""
        if id in self.present or not address:
            return None
        there = self._machines.get((hostname, address), {})
        return self.present[next(reversed(there))] if there else None

    def report(self, agents: Iterable[Agent]) -> None:
        """Takes the master's list. An agent that is not on it is gone, unless its first sign was an offer since the
        last list."""
        reported = {agent.id: agent for agent in agents}
        self.touched |= dict.fromkeys(self.launched)
        self.launched = {}
        for id in self._unreported:
            if id not in reported and id in self.present:
                reported[id] = self.present[id]
        self._unreported = {}
        for id in [id for id in self.present if id not in reported]:
            self._lose(id)
        for agent in reported.values():
            self._take(agent)

    def take_offers(self, offers: Iterable[Offer]) -> None:
        """Takes the facts in offers: they are newer than any list, and an agent that is offered is active."""
        for offer in offers:
            known = self.present.get(offer.agent_id)
            if known is None:
                self._unreported[offer.agent_id] = None
                known = Agent(id=offer.agent_id, hostname=offer.hostname)
            self._take(
                replace(
                    known,
                    hostname=offer.hostname,
                    address=offer.address,
                    port=offer.agent_port,
                    region=offer.region,
                    zone=offer.zone,
                    attributes=offer.attributes,
                    state=AgentState.ACTIVE,
                    window=offer.window,
                )
            )

    def launch(self, id: AgentId, offered: Resources, taken: Iterable[Resources]) -> None:
        """Tasks were launched on the agent: `taken` of the resources `offered` are in use."""
        self.launched[id] = (offered, tuple(taken))
        self.touched[id] = None

    def seen(self, id: AgentId) -> Agent | None:
        """The facts of an agent for readers: free is the last offer minus the launches on it."""
        agent, launched = self.get(id), self.launched.get(id)
        if agent is None or launched is None:
            return agent
        left = launched[0]
        for amount in launched[1]:
            left = left - amount if left.covers(amount) else left
        return replace(agent, free=left)

    def lose(self, id: AgentId) -> None:
        """The master says that the agent is gone."""
        self._unreported.pop(id, None)
        if id in self.present:
            self._lose(id)

    def _take(self, agent: Agent) -> None:
        old = self.present.get(agent.id)
        if old == agent:
            return
        self._unlist(old)
        self.present[agent.id] = agent
        self._machines.setdefault((agent.hostname, agent.address), {})[agent.id] = None
        self.absent.pop(agent.id, None)
        self.touched[agent.id] = None
        self._is_stale = True
        if old is None or old.free == agent.free or replace(old, free=agent.free) != agent:
            self.revision += 1

    def _unlist(self, agent: Agent | None) -> None:
        """Takes an agent out of the list of its machine."""
        if agent is None:
            return
        there = self._machines[agent.hostname, agent.address]
        del there[agent.id]
        if not there:
            del self._machines[agent.hostname, agent.address]

    def _lose(self, id: AgentId) -> None:
        self._unlist(self.present.pop(id))
        self.touched[id] = None
        self._is_stale = True
        self.revision += 1

    def remember(self, agents: Mapping[AgentId, KnownAgent]) -> None:
        """Takes the stored facts of agents on which tasks of ours are, but for agents that are present."""
        absent = {
            id: Agent(id=id, hostname=agent.hostname, region=agent.region, zone=agent.zone, attributes=agent.attributes)
            for id, agent in agents.items()
            if id not in self.present
        }
        if absent != self.absent:
            self.touched |= dict.fromkeys((*self.absent, *absent))
            self.absent = absent
            self._is_stale = True
            self.revision += 1

    def find_unavailable(self, now: Instant, lead_seconds: float) -> None:
        """Finds out which agents placement must avoid now, and until when that holds."""
        unavailable: dict[AgentId, str] = {}
        draining: dict[AgentId, None] = {}
        boundaries: list[Instant] = []
        for id, agent in self.present.items():
            cause = _PHRASES.get(agent.state, "")
            if agent.state in DRAINING:
                draining[id] = None
            if agent.window is not None:
                boundaries += _boundaries(agent.window, lead_seconds)
                maintained = _maintenance(agent.window, now, lead_seconds)
                cause = cause or maintained
                if maintained:
                    draining[id] = None
            if cause:
                unavailable[id] = cause
        if self.is_known:
            unavailable |= dict.fromkeys(self.absent, ABSENT)
        self.draining = draining
        self.boundary = min((at for at in boundaries if now < at), default=0.0)
        if unavailable != self.unavailable:
            changed = (id for id in (*self.unavailable, *unavailable) if self._differs(id, unavailable))
            self.touched |= dict.fromkeys(changed)
            self.unavailable = unavailable
            self.revision += 1

    def _differs(self, id: AgentId, unavailable: Mapping[AgentId, str]) -> bool:
        return self.unavailable.get(id) != unavailable.get(id)


def facts_of(agent: Agent) -> KnownAgent:
    """The facts of an agent that are stored, without its failures."""
    return KnownAgent(
        id=agent.id, hostname=agent.hostname, region=agent.region, zone=agent.zone, attributes=agent.attributes
    )


def has_facts_of(known: KnownAgent, agent: Agent) -> bool:
    """Whether the stored facts of an agent are up to date."""
    return (
        known.hostname == agent.hostname
        and known.region == agent.region
        and known.zone == agent.zone
        and known.attributes == agent.attributes
    )


def _boundaries(window: tuple[Instant, Instant], lead_seconds: float) -> list[Instant]:
    begin, end = window
    return [begin - lead_seconds, begin] if end == float("inf") else [begin - lead_seconds, begin, end]


def _maintenance(window: tuple[Instant, Instant], now: Instant, lead_seconds: float) -> str:
    begin, end = window
    if not begin - lead_seconds <= now < end:
        return ""
    if now < begin:
        return f"has maintenance from {utc(begin)} on"
    return "is in maintenance" if end == float("inf") else f"is in maintenance until {utc(end)}"


def utc(at: Instant) -> str:
    """An Instant for people, in UTC: 2026-11-21 10:48:07Z."""
    days, seconds = divmod(int(at), 86400)
    # The proleptic Gregorian calendar in eras of 400 years, each beginning on a 1st of March.
    era, day_of_era = divmod(days + 719_468, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_from_march = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month_from_march + 2) // 5 + 1
    month = month_from_march + 3 if month_from_march < 10 else month_from_march - 9
    year = era * 400 + year_of_era + (month <= 2)
    hour, rest = divmod(seconds, 3600)
    return f"{year:04}-{month:02}-{day:02} {hour:02}:{rest // 60:02}:{rest % 60:02}Z"
