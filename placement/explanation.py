"""The explanation of a request: every agent against every rule, and the cures. Made by explain.py."""

from __future__ import annotations

from dataclasses import dataclass

from placement.refusals import Refusal
from specs.ids import AgentId


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The result of one rule for one agent; `wanted` and `got` are words for people."""

    rule: str
    is_met: bool
    wanted: str
    got: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentVerdicts:
    """An agent and all rules. `points` are what it is worth by preferences, each with its reason in `worth`; `tasks`
    how many of the group it has; `free_share` what of it is free, 0 to 1. `rank` is 1 for the agent that is taken next,
    0 for one that does not fit."""

    agent_id: AgentId
    hostname: str
    fits: bool
    verdicts: tuple[Verdict, ...]
    points: int
    worth: tuple[tuple[str, int], ...]
    tasks: int
    free_share: float
    rank: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cure:
    """A change of the request after which it was placed again: `text` ("with cpus <= 1.5", "with rack unconstrained"),
    on how many agents the next slot would then fit, and how many of the missing slots found a place."""

    text: str
    agents: int
    slots: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """`refused` is None where the next slot fits. Rows are sorted: those that fit by rank, then those that break the
    fewest rules."""

    refused: Refusal | None
    rows: tuple[AgentVerdicts, ...]
    cures: tuple[Cure, ...]
