"""The known agents, numbered, and which of them have which value of a field. Sets of agents are bits of an int."""

from __future__ import annotations

from collections.abc import Iterable

from placement.agent import Agent
from specs.ids import AgentId


class Cluster:
    """Agents in the order of their ids; number i is bit i. What is found out about them is kept for the next call."""

    def __init__(self, agents: Iterable[Agent]) -> None:
        self.agents: tuple[Agent, ...] = tuple(sorted(agents, key=lambda agent: agent.id))
        self.index: dict[AgentId, int] = {agent.id: number for number, agent in enumerate(self.agents)}
