"""The failures of agents by group: counts that halve with time, and the points that they cost in placement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from framework.core.model import AgentFailures, Instant, KnownAgent, Settings
from specs.ids import AgentId, GroupId
from specs.permanence import is_of_agent

FORGOTTEN_BELOW = 0.1
POINTS_PER_FAILURE = 20
FAILURES_WHERE_OF_AGENT = 5.0
"""The weight of a failure whose cause is the agent: it lacks the image, or is another kind of machine."""
MOST_GROUPS = 50
"""Limit on the groups whose failures an agent keeps: the smallest counts are forgotten first."""


def count_now(failures: AgentFailures, now: Instant, settings: Settings) -> float:
    """The count as of now, 0 where it is forgotten."""
    ago = max(now - failures.at, 0.0)
    count = failures.count * 0.5 ** (ago / settings.failure_half_life_seconds)
    return count if count >= FORGOTTEN_BELOW else 0.0


def with_failure(
    agent: KnownAgent, group: GroupId, now: Instant, settings: Settings, permanent: str = ""
) -> KnownAgent:
    """The agent after one more failure of the group, without forgotten counts. `permanent` is as a Task's: a failure
    that another agent may not have counts for several, so that an even share is no reason to try here again."""
    counts = {each.group: count_now(each, now, settings) for each in agent.failures}
    counts[group] = counts.get(group, 0.0) + (FAILURES_WHERE_OF_AGENT if is_of_agent(permanent) else 1.0)
    kept = sorted((each for each in counts if counts[each]), key=lambda each: (each != group, -counts[each], each))
    failures = (AgentFailures(group=each, count=counts[each], at=now) for each in sorted(kept[:MOST_GROUPS]))
    return replace(agent, failures=tuple(failures))


def has_recent_failures(agent: KnownAgent, now: Instant, settings: Settings) -> bool:
    """Whether a failure of the agent still counts."""
    return any(count_now(each, now, settings) for each in agent.failures)


def penalties(
    agent_failures: Mapping[GroupId, Mapping[AgentId, AgentFailures]], group: GroupId, now: Instant, settings: Settings
) -> dict[AgentId, int]:
    """The points that agents lose in placement with a group."""
    counts = {id: count_now(each, now, settings) for id, each in agent_failures.get(group, {}).items()}
    return {id: points_for(count) for id, count in counts.items() if count}


def points_for(count: float) -> int:
    """The points for so many failures; at least 1."""
    return max(1, round(POINTS_PER_FAILURE * count))
