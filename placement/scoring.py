"""The worth of agents to a group, in points: preferences, soft neighbours and spreads, recent failures.

Failures are worth points as the rest is, but only among agents with which the group is as even (Evaluation.best asks
for the best agents with them and without): unless they are so many that the agent seems to be spoiled for the group.
"""

from __future__ import annotations

from itertools import product

from placement.cluster import Cluster
from placement.counting import Counting, SoftSpread
from placement.neighbours import NeighbourRule, RunningTasks
from placement.request import Request
from specs.model.constraints import STICKY_POINTS

_MOST_COMBINATIONS = 1000
FAILED = "failed the group lately"
"""Why an agent loses points for its failures."""
SPOILED_POINTS = 50
"""An agent that has lost so many, by three failures within a few minutes, is worth so much less than others, even or
not: a task that cannot run there is nothing that the group could fall back on."""


class SoftNeighbour:
    """A near or apart with a weight, as points."""

    def __init__(self, rule: NeighbourRule, weight: int, everybody: int) -> None:
        self._beside, self._weight, self._everybody = rule, weight, everybody

    def placed(self, number: int) -> None:
        self._beside.placed(number)

    def worth(self) -> list[tuple[int, int]]:
        return [(self._weight, self._beside.allowed), (0, self._everybody & ~self._beside.allowed)]


class Scoring:
    """Points by agent. Fixed points are summed once; those that change with each placement are computed again."""

    def __init__(self, request: Request, cluster: Cluster, running: RunningTasks, counting: Counting) -> None:
        self._cluster = cluster
        self._fixed: list[tuple[str, int, int]] = []
        """(text, points, agents)"""
        self._moving: list[tuple[str, SoftSpread | SoftNeighbour]] = []
        self._keeping_apart: list[SoftSpread | SoftNeighbour] = []
        rules = request.rules
        for preference in rules.prefer:
            self._fixed.append((str(preference.rule), preference.weight, cluster.where(preference.rule)))
        by_penalty: dict[int, list[int]] = {}
        for id, points in request.penalties.items():
            if id in cluster.index and points:
                by_penalty.setdefault(points, []).append(cluster.index[id])
        self._failures: list[tuple[str, int, int]] = []
        for points in sorted(by_penalty):
            bits = cluster.bits_of(cluster.agents[number].id for number in by_penalty[points])
            self._failures.append((FAILED, -points, bits))
        for is_near, neighbours in ((True, rules.near), (False, rules.apart)):
            for neighbour in neighbours:
                if neighbour.weight:
                    text = f"{'near' if is_near else 'apart from'} {neighbour}"
                    rule = NeighbourRule(neighbour, request.group, running, is_near=is_near)
                    soft = SoftNeighbour(rule, neighbour.weight, cluster.everybody)
                    self._moving.append((text, soft))
                    if not is_near:
                        self._keeping_apart.append(soft)
        for spread in rules.spread:
            if spread.weight:
                state = SoftSpread(counting.levels(spread), spread, request.instances, cluster.everybody)
                self._moving.append((str(spread), state))
                self._keeping_apart.append(state)
        spoiled = [(FAILED, -SPOILED_POINTS, bits) for _, points, bits in self._failures if points <= -SPOILED_POINTS]
        self._tiers_but_failures = self._sum(self._fixed + spoiled)
        self._fixed += self._failures
        self._tiers = self._sum(self._fixed) if self._failures else self._tiers_but_failures

    @property
    def has_failures(self) -> bool:
        """Whether any agent has failed the group lately."""
        return bool(self._failures)

    @property
    def is_none(self) -> bool:
        """Whether all agents are worth the same, always."""
        return not self._moving and len(self._tiers) == 1

    def _sum(self, fixed: list[tuple[str, int, int]]) -> list[tuple[int, int]]:
        tiers = {0: self._cluster.everybody}
        for _, points, bits in fixed:
            split: dict[int, int] = {}
            for sum_, members in tiers.items():
                for more, part in ((points, members & bits), (0, members & ~bits)):
                    if part:
                        split[sum_ + more] = split.get(sum_ + more, 0) | part
            tiers = split
        return sorted(tiers.items(), reverse=True)

    def best(self, among: int, *, with_failures: bool = True) -> tuple[int, int]:
        """(the most points that any of the agents has, those of them that have so many)."""
        tiers = self._tiers if with_failures else self._tiers_but_failures
        if not self._moving:
            for points, bits in tiers:
                if among & bits:
                    return points, among & bits
        layers = [tiers, *(state.worth() for _, state in self._moving)]
        combinations = 1
        for layer in layers:
            combinations *= max(len(layer), 1)
        if combinations > _MOST_COMBINATIONS:
            return self._best_by_layer(layers, among)
        sums: dict[int, list[tuple[tuple[int, int], ...]]] = {}
        for choice in product(*layers):
            sums.setdefault(sum(points for points, _ in choice), []).append(choice)
        for points in sorted(sums, reverse=True):
            found = 0
            for choice in sums[points]:
                part = among
                for _, bits in choice:
                    part &= bits
                found |= part
            if found:
                return points, found
        return 0, among

    @staticmethod
    def _best_by_layer(layers: list[list[tuple[int, int]]], among: int) -> tuple[int, int]:
        """One preference after the other, the one that weighs most first: for so many different ones that all their
        combinations are too many."""
        total = 0
        for layer in sorted(layers, key=lambda layer: min(points for points, _ in layer) - layer[0][0]):
            for points, bits in layer:
                if among & bits:
                    among &= bits
                    total += points
                    break
        return total, among

    def as_well_spread(self, number: int, among: int) -> int:
        """The agents among these that are worth at least as much as agent `number` by each soft rule to keep apart."""
        for state in self._keeping_apart:
            found = 0
            for _, bits in sorted(state.worth(), reverse=True):
                found |= bits
                if bits >> number & 1:
                    break
            among &= found
        return among

    def placed(self, number: int) -> None:
        """A task of the group came to an agent."""
        for _, state in self._moving:
            state.placed(number)

    def points(self, number: int) -> int:
        """The points of one agent."""
        return sum(points for _, points in self.worth(number))

    def worth(self, number: int) -> list[tuple[str, int]]:
        """(why, points) of one agent, without what is 0."""
        found = [(text, points) for text, points, bits in self._fixed if bits >> number & 1]
        for text, state in self._moving:
            found += [(text, points) for points, bits in state.worth() if bits >> number & 1 and points]
        return found

    def prefers_home(self, home: int, among: int) -> bool:
        """Whether the agent on which a slot ran before is worth more, with what it is worth as such, than any other."""
        return self.points(home) + STICKY_POINTS >= self.best(among)[0]
