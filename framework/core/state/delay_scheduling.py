"""Slots that wait for the offer of an agent that is better for them than those at hand: once, for less than a second.

Placement is pure and sees only what it is shown. Shown nothing but the offers that happen to be held, it puts a whole
group on the agent whose offer came last. So it is also shown what is believed of the other agents (OfferPool.believed).
Where a group would rather go to one of those, Mesos is asked for offers again, which it makes at once, and the group
waits for them. What has no slot left to wait, or no agent to wait for, is placed on what is at hand.

A slot that waits for offers because none is held uses up the same time: who has asked Mesos and got an answer from some
agents does not wait again for the others.

An agent that could have answered and did not is waited for by nobody until it is offered, or reported with other
resources: others may hold all that it has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from framework.core.model import Instant
from specs.ids import AgentId, GroupId

OFFER_WAIT_SECONDS = 0.8
ANSWER_SECONDS = 0.25
"""A revive is answered within that time, or not at all: Mesos allocates at once for it. Then it is asked again, as the
first may have come before our Accept on that agent, whose rest Mesos keeps from us for a second."""


@dataclass(slots=True)
class _Wait:
    """`since` when each slot of a group waits, and for which `agents`, with their host names, when last looked: for
    none where it waits for any offer at all."""

    since: dict[int, Instant] = field(default_factory=dict)
    agents: dict[AgentId, str] = field(default_factory=dict)
    is_over: bool = False


class OfferWaits:
    """The waits under way, and the agents that did not answer."""

    def __init__(self) -> None:
        self._waits: dict[GroupId, _Wait] = {}
        self.silent: dict[AgentId, None] = {}

    def clear(self) -> None:
        """A new subscription: nobody waits, and every agent may answer."""
        self._waits.clear()
        self.silent.clear()

    def heard(self, ids: Iterable[AgentId]) -> None:
        """Agents were offered, or have other resources than before: they may be waited for again."""
        for id in ids:
            self.silent.pop(id, None)

    def has_waited(self, group: GroupId, slot: int, now: Instant) -> bool:
        """Whether the slot has had its wait."""
        wait = self._waits.get(group)
        since = wait.since.get(slot) if wait else None
        return since is not None and now >= since + OFFER_WAIT_SECONDS

    def is_waiting(self, group: GroupId) -> bool:
        """Whether the group waits already."""
        wait = self._waits.get(group)
        return wait is not None and bool(wait.agents) and not wait.is_over

    def wait(self, group: GroupId, slots: Iterable[int], agents: Mapping[AgentId, str], now: Instant) -> None:
        """The slots wait for these agents; those that did so before go on with the wait that they have begun."""
        wait = self._waits.setdefault(group, _Wait())
        for slot in slots:
            wait.since.setdefault(slot, now)
        wait.agents, wait.is_over = dict(agents), False

    def began(self, group: GroupId, slots: Iterable[int], now: Instant) -> None:
        """Offers were asked for where none is held: their time begins, unless it has."""
        wait = self._waits.setdefault(group, _Wait())
        for slot in slots:
            wait.since.setdefault(slot, now)

    def forget(self, group: GroupId, slot: int) -> None:
        """The slot has a task, or wants none."""
        wait = self._waits.get(group)
        if wait is not None:
            wait.since.pop(slot, None)
            if not wait.since:
                del self._waits[group]

    def waits(self) -> Iterator[tuple[GroupId, int, Instant]]:
        """(group, slot, the end of its wait) of those whose wait for better offers goes on."""
        for group, wait in self._waits.items():
            if wait.agents and not wait.is_over:
                yield from ((group, slot, since + OFFER_WAIT_SECONDS) for slot, since in wait.since.items())

    def until(self, now: Instant) -> Instant | None:
        """When the next wait that goes on ends, None where none does."""
        ends = (since + OFFER_WAIT_SECONDS for wait in self._looking() for since in wait.since.values())
        return min((end for end in ends if now < end), default=None)

    def asks_at(self, asked_at: Instant, now: Instant) -> Instant | None:
        """When offers are to be asked for, where that was last at `asked_at`; None where no wait needs it."""
        times: list[Instant] = []
        for wait in self._looking():
            for since in wait.since.values():
                at = since if asked_at < since else asked_at + ANSWER_SECONDS
                if max(at, now) <= since + OFFER_WAIT_SECONDS - ANSWER_SECONDS:
                    times.append(at)
        return min(times, default=None)

    def _looking(self) -> Iterator[_Wait]:
        """The waits for agents, not for any offer at all."""
        return (wait for wait in self._waits.values() if wait.agents and not wait.is_over)

    def end(self, held: Mapping[AgentId, object], asked_at: Instant, now: Instant) -> tuple[GroupId, ...]:
        """Ends the waits that are over; returns their groups. Agents that are not `held` although offers were asked for
        early enough (last at `asked_at`) are silent from now on."""
        ended = []
        for group, wait in self._waits.items():
            if (
                not wait.agents
                or wait.is_over
                or any(now < since + OFFER_WAIT_SECONDS for since in wait.since.values())
            ):
                continue
            wait.is_over = True
            ended.append(group)
            if min(wait.since.values()) <= asked_at <= now - ANSWER_SECONDS:
                self.silent |= {id: None for id in wait.agents if id not in held}
        return tuple(ended)

    def told(self, group: GroupId, slot: int, now: Instant) -> str:
        """The end of a sentence in the story of a slot's task, about its wait; "" where there was none."""
        wait = self._waits.get(group)
        since = wait.since.get(slot) if wait else None
        if wait is None or since is None or not wait.agents:
            return ""
        if wait.is_over:
            names = ", ".join(sorted(wait.agents.values()))
            return f"; offers of {names} would have suited it better, and did not come within {OFFER_WAIT_SECONDS} s"
        return f"; it waited {max(now - since, 0.0):.2f} s for better offers than those that were at hand"
