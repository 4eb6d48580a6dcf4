"""The slots that a scale-down ends."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from placement.cluster import Cluster
from specs.ids import AgentId
from specs.model.constraints import REST, Rules, Spread
from specs.model.operators import CountingKind
from specs.model.stack import KillOrder

Domain = tuple[str | None, ...]


class Worth(IntEnum):
    """The worth of a slot; the least go first."""

    EMPTY = 0
    """No task whose goal is to run."""
    UNHEALTHY = 1
    """It runs, and its health check fails."""
    UNREACHABLE = 2
    STAGING = 3
    """It is on its way: not running, or not healthy, so far."""
    READY = 4
    FINISHED = 5
    """Its work is done; without it another slot would do it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A slot; `agent_id` is where its task runs, None without one; `since` when that began to, in seconds."""

    slot: int
    worth: Worth
    agent_id: AgentId | None = None
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class _Level:
    """The excess of a domain of these fields, given the number of its tasks."""

    fields: tuple[str, ...]
    excess: Callable[[Domain, int], float]


def slots_to_drop(
    slots: Sequence[Filled], count: int, rules: Rules, cluster: Cluster, order: KillOrder = KillOrder.YOUNGEST
) -> tuple[int, ...]:
    """The `count` slots to drop, ascending.

    Those that are worth the least go first; of equals those that break UNIQUE or MAX_PER; then those in the fullest
    domains of the group's GROUP_BY and spread rules, outer before inner, so that what is left stays as even as it can;
    then the youngest, or the oldest; then the highest numbers. It takes about count x log slots steps, or those times
    the domains of inner levels.
    """
    if count >= len(slots):
        return tuple(sorted(each.slot for each in slots))
    surplus = _Surplus(slots, rules, cluster, order)
    return tuple(sorted(surplus.take() for _ in range(count)))


class _Surplus:
    """Slots that are alike in all but their age lie on one pile, the next to go on top; the piles are in a heap by what
    they were worth when last looked at. A pile only ever becomes less fit to be taken from, so that one whose worth
    has changed need only be put back when it comes up."""

    def __init__(self, slots: Sequence[Filled], rules: Rules, cluster: Cluster, order: KillOrder) -> None:
        self._limits, self._levels = _limits(rules), _levels(rules)
        every = (*self._limits, *self._levels)
        self._counts: list[dict[Domain, int]] = [{} for _ in every]
        self._piles: dict[tuple[Worth, tuple[Domain, ...]], list[tuple[float, int]]] = {}
        sign = 1 if order is KillOrder.YOUNGEST else -1
        for each in sorted(slots, key=lambda each: (sign * each.since, each.slot)):
            domains = tuple(_domain(cluster, each.agent_id, level.fields) for level in every)
            self._piles.setdefault((each.worth, domains), []).append((sign * each.since, each.slot))
            if each.agent_id is not None:
                self._add(domains, 1)
        self._heap = [(self._key(pile), pile) for pile in self._piles]
        heapq.heapify(self._heap)

    def take(self) -> int:
        """The next slot to end."""
        while True:
            key, pile = self._heap[0]
            now = self._key(pile)
            if now != key:
                heapq.heapreplace(self._heap, (now, pile))
                continue
            _, slot = self._piles[pile].pop()
            self._add(pile[1], -1)
            if self._piles[pile]:
                heapq.heapreplace(self._heap, (self._key(pile), pile))
            else:
                heapq.heappop(self._heap)
            return slot

    def _add(self, domains: tuple[Domain, ...], by: int) -> None:
        for counts, domain in zip(self._counts, domains, strict=True):
            if domain:
                counts[domain] = counts.get(domain, 0) + by

    def _key(self, pile: tuple[Worth, tuple[Domain, ...]]) -> tuple[float, ...]:
        worth, domains = pile
        every = (*self._limits, *self._levels)
        excesses = [
            level.excess(domain, counts.get(domain, 0)) if domain else 0.0
            for level, counts, domain in zip(every, self._counts, domains, strict=True)
        ]
        broken, uneven = excesses[: len(self._limits)], excesses[len(self._limits) :]
        since, slot = self._piles[pile][-1]
        return (worth, -sum(broken), *(-excess for excess in uneven), -since, -slot)


def _domain(cluster: Cluster, agent_id: AgentId | None, fields: tuple[str, ...]) -> Domain:
    """The values of an agent; empty where there is no agent, or it lacks one of the fields or has several values."""
    number = None if agent_id is None else cluster.index.get(agent_id)
    if number is None:
        return ()
    domains = cluster.domains(fields)
    return domains.keys[domains.of[number]] if domains.of[number] >= 0 else ()


def _limits(rules: Rules) -> tuple[_Level, ...]:
    found = []
    for rule in rules.constraints:
        if rule.counting is CountingKind.AT_MOST:
            found.append(_Level((rule.field,), _above(rule.most)))
    return tuple(found)


def _above(most: int) -> Callable[[Domain, int], float]:
    return lambda _domain, count: float(max(count - most, 0))


def _levels(rules: Rules) -> tuple[_Level, ...]:
    grouped = (rule.field for rule in rules.constraints if rule.counting is CountingKind.EVENLY)
    levels = [_Level((field,), lambda _domain, count: float(count)) for field in grouped]
    return (*levels, *(_Level((*spread.within, spread.over), _excess(spread)) for spread in rules.spread))


def _excess(spread: Spread) -> Callable[[Domain, int], float]:
    if not spread.targets:
        return lambda _domain, count: float(count)
    shares = dict(spread.targets)

    def excess(domain: Domain, count: int) -> float:
        share = shares.get(domain[-1] or "", shares.get(REST, 0))
        return (2 * count - 1) / share if share else float("inf")

    return excess
