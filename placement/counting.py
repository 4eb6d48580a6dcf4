"""Rules that depend on where tasks are: which agents they allow now, kept up to date with each task that is placed.

Each rule answers with a set of agents, and changes it by a few operations on sets when a task is placed. `lowest` are
rules that also say where it is best to go on: in the domains with the fewest tasks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, assert_never

from placement.cluster import Cluster, Domains, combined
from specs.model.constraints import REST, Constraint, Counted, GroupByMode, Spread
from specs.model.operators import CountingKind, Operator


class CountingRule(Protocol):
    """A rule with a memory."""

    @property
    def allowed(self) -> int:
        """The agents that it allows now."""

    def placed(self, number: int) -> None:
        """A task of the group came to agent `number`."""


class AtMost:
    """UNIQUE and MAX_PER: fewer than so many tasks of the group in the domain."""

    def __init__(self, domains: Domains, own: Mapping[int, int], most: int) -> None:
        self._domains, self._most = domains, most
        self._counts = by_domain(domains, own)
        self.allowed = domains.having
        for domain, count in self._counts.items():
            if count >= most:
                self.allowed &= ~domains.bits[domain]

    def placed(self, number: int) -> None:
        for domain in self._domains.holding(number):
            self._counts[domain] += 1
            if self._counts[domain] >= self._most:
                self.allowed &= ~self._domains.bits[domain]

    def count(self, number: int) -> int:
        """The number of the group's tasks in the agent's domain; of several domains the fullest."""
        return max((self._counts.get(domain, 0) for domain in self._domains.holding(number)), default=0)


class Together:
    """CLUSTER without a value: where most of the group is. Where several values have as many, or none has any, each of
    them will do, and it is still open."""

    def __init__(self, domains: Domains, own: Mapping[int, int]) -> None:
        self.domains = domains
        self._counts = by_domain(domains, own)
        self._most = max(self._counts.values(), default=0)
        fullest = [domain for domain, count in self._counts.items() if count == self._most]
        self.is_settled = len(fullest) == 1
        self.allowed = 0 if fullest else domains.having
        for domain in fullest:
            self.allowed |= domains.bits[domain]

    def placed(self, number: int) -> None:
        for domain in self.domains.holding(number):
            self._counts[domain] += 1
            if self._counts[domain] > self._most:
                self._most, self.is_settled, self.allowed = self._counts[domain], True, self.domains.bits[domain]
            elif self._counts[domain] == self._most:
                self.is_settled = False
                self.allowed |= self.domains.bits[domain]


class Levels:
    """Domains by how many tasks of the group they have. `where` are the agents on which the group could run at all:
    only domains with such agents are compared."""

    def __init__(self, domains: Domains, own: Mapping[int, int], where: int) -> None:
        self.domains = domains
        self.counts = by_domain(domains, own)
        self.is_compared = [bool(bits & where) for bits in domains.bits]
        self.having = domains.having & where
        self.bits: list[defaultdict[int, int]] = [defaultdict(int) for _ in range(max(domains.parents, default=-1) + 1)]
        """By outer domain and count, the agents."""
        self.numbers: list[defaultdict[int, int]] = [defaultdict(int) for _ in self.bits]
        """By outer domain and count, how many domains."""
        for domain, bits in enumerate(domains.bits):
            if self.is_compared[domain]:
                count = self.counts.get(domain, 0)
                self.bits[domains.parents[domain]][count] |= bits
                self.numbers[domains.parents[domain]][count] += 1
        self.fewest = [min(numbers, default=0) for numbers in self.numbers]

    def placed(self, number: int) -> int:
        """Counts a task; returns its outer domain, -1 where the agent is in none that is compared."""
        domain = self.domains.of[number]
        if domain < 0 or not self.is_compared[domain]:
            return -1
        count = self.counts.get(domain, 0)
        self.counts[domain] = count + 1
        outer = self.domains.parents[domain]
        bits, numbers = self.bits[outer], self.numbers[outer]
        mine = self.domains.bits[domain]
        bits[count] &= ~mine
        bits[count + 1] |= mine
        numbers[count] -= 1
        numbers[count + 1] += 1
        if not numbers[count]:
            del numbers[count], bits[count]
            if count == self.fewest[outer]:
                self.fewest[outer] = min(numbers)
        return outer

    def lowest(self, among: int) -> int:
        """The agents among these whose domain exceeds the emptiest one beside it by the fewest tasks."""
        if len(self.bits) == 1:
            levels = self.bits[0]
            for count in sorted(levels):
                found = among & levels[count]
                if found:
                    return found
            return among
        for _, bits in self.excesses():
            if among & bits:
                return among & bits
        return among

    def excesses(self) -> list[tuple[int, int]]:
        """(tasks more than the emptiest domain beside it has, the agents of such domains), ascending."""
        found: defaultdict[int, int] = defaultdict(int)
        for outer, levels in enumerate(self.bits):
            for count, bits in levels.items():
                found[count - self.fewest[outer]] |= bits
        return sorted(found.items())

    def emptiest(self) -> str:
        """The compared domains with the fewest tasks, for people: "r3 has the fewest, 1"."""
        fewest = min(self.fewest, default=0)
        names = [
            "/".join(self.domains.keys[domain])
            for domain in range(len(self.domains.keys))
            if self.is_compared[domain] and self.counts.get(domain, 0) == fewest
        ]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        return f"{', '.join(names[:3])}{more} {'has' if len(names) == 1 else 'have'} the fewest, {fewest}"


class GroupBy:
    """GROUP_BY in either of its meanings. `minimum` above the number of domains that there are means all of them."""

    def __init__(self, levels: Levels, mode: GroupByMode, minimum: int, instances: int) -> None:
        self.levels = levels
        compared = sum(levels.is_compared)
        match mode:
            case GroupByMode.MINIMUM:
                fallback, self._allowed_by = 0, self._by_minimum
            case GroupByMode.QUOTA:
                fallback, self._allowed_by = compared, self._by_quota
            case _:
                assert_never(mode)
        self._minimum = min(minimum, compared) if minimum else fallback
        self._quota, self._remainder = divmod(instances, max(self._minimum, 1))
        self.allowed = self._find()

    def placed(self, number: int) -> None:
        if self.levels.placed(number) >= 0:
            self.allowed = self._find()

    def lowest(self, among: int) -> int:
        return self.levels.lowest(among)

    def _find(self) -> int:
        return self._allowed_by(self.levels.bits[0], self.levels.numbers[0]) if self.levels.bits else 0

    def _by_minimum(self, bits: Mapping[int, int], numbers: Mapping[int, int]) -> int:
        fresh, seen = bits.get(0, 0), sum(numbers.values()) - numbers.get(0, 0)
        if seen < self._minimum or not seen:
            return fresh
        return fresh | bits[min(count for count in numbers if count)]

    def _by_quota(self, bits: Mapping[int, int], numbers: Mapping[int, int]) -> int:
        fresh, seen = bits.get(0, 0), sum(numbers.values()) - numbers.get(0, 0)
        allowed = fresh if seen < self._minimum else 0
        above = sum(number for count, number in numbers.items() if count > self._quota)
        for count, members in bits.items():
            if 0 < count < self._quota or (0 < count == self._quota and above < self._remainder):
                allowed |= members
        return allowed


class HardSpread:
    """SPREAD as a hard rule: no domain has more than max_skew tasks more than the emptiest, or more than its target."""

    def __init__(self, levels: Levels, spread: Spread, instances: int) -> None:
        self.levels, self._spread, self._instances = levels, spread, instances
        self._parts = [self._find(outer) for outer in range(len(levels.bits))]
        self.allowed = 0
        for part in self._parts:
            self.allowed |= part

    def placed(self, number: int) -> None:
        outer = self.levels.placed(number)
        if outer >= 0:
            self.allowed &= ~self._parts[outer]
            self._parts[outer] = self._find(outer)
            self.allowed |= self._parts[outer]

    def lowest(self, among: int) -> int:
        return self.levels.lowest(among)

    def _find(self, outer: int) -> int:
        levels, found = self.levels, 0
        if self._spread.targets:
            for domain, limit in targets_of(levels, self._spread, outer, self._instances):
                if levels.counts.get(domain, 0) < limit:
                    found |= levels.domains.bits[domain]
            return found
        fewest = levels.fewest[outer]
        if sum(levels.numbers[outer].values()) < self._spread.min_domains:
            fewest = 0
        for count, bits in levels.bits[outer].items():
            if count < fewest + self._spread.max_skew:
                found |= bits
        return found


class SoftSpread:
    """SPREAD as a preference: agents lose points for each task that their domain has more than it should; those of no
    domain lose more than any other."""

    def __init__(self, levels: Levels, spread: Spread, instances: int, everybody: int) -> None:
        self._levels, self._spread, self._instances, self._everybody = levels, spread, instances, everybody
        self._known: list[tuple[int, int]] | None = None

    def placed(self, number: int) -> None:
        if self._levels.placed(number) >= 0:
            self._known = None

    def worth(self) -> list[tuple[int, int]]:
        """(points, agents), from the most points; each agent is in one."""
        if self._known is None:
            self._known = self._find()
            rest = self._everybody
            for _, bits in self._known:
                rest &= ~bits
            if rest:
                fewest = self._known[-1][0] if self._known else 0
                self._known.append((fewest - self._spread.weight, rest))
        return self._known

    def _find(self) -> list[tuple[int, int]]:
        weight, levels = self._spread.weight, self._levels
        if not self._spread.targets:
            return [(-weight * excess, bits) for excess, bits in levels.excesses()]
        found: defaultdict[int, int] = defaultdict(int)
        for outer in range(len(levels.bits)):
            for domain, limit in targets_of(levels, self._spread, outer, self._instances):
                excess = max(0, levels.counts.get(domain, 0) + 1 - limit)
                found[-weight * excess] |= levels.domains.bits[domain]
        return sorted(found.items(), reverse=True)


class Combined:
    """any, all and not, of rules of which some count."""

    def __init__(self, operator: Operator, parts: list[CountingRule], everybody: int) -> None:
        self._operator, self._parts, self._everybody = operator, parts, everybody
        self.allowed = self._find()

    def placed(self, number: int) -> None:
        for part in self._parts:
            part.placed(number)
        self.allowed = self._find()

    def _find(self) -> int:
        return combined(self._operator, (part.allowed for part in self._parts), self._everybody)


class Fixed:
    """A rule that does not count, among others that do."""

    def __init__(self, allowed: int) -> None:
        self.allowed = allowed

    def placed(self, number: int) -> None:
        pass


def by_domain(domains: Domains, own: Mapping[int, int]) -> dict[int, int]:
    """Tasks by domain, of tasks by agent."""
    counts: dict[int, int] = defaultdict(int)
    for number, count in own.items():
        for domain in domains.holding(number):
            counts[domain] += count
    return counts


def targets_of(levels: Levels, spread: Spread, outer: int, instances: int) -> Iterable[tuple[int, int]]:
    """(domain, how many tasks it is to have at most) of the compared domains in an outer domain.

    The share is one of all instances; in an inner level, of what the outer domain has with the task that is placed.
    """
    shares = dict(spread.targets)
    members = [
        domain for domain, parent in enumerate(levels.domains.parents) if parent == outer and levels.is_compared[domain]
    ]
    whole = 1 + sum(levels.counts.get(domain, 0) for domain in members) if spread.within else instances
    for domain in members:
        percent = shares.get(levels.domains.keys[domain][-1], shares.get(REST, 0))
        yield domain, -(-whole * percent // 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """A group's tasks by the agent's number."""

    tasks: Mapping[int, int]
    #: Without the outgoing ones.
    staying: Mapping[int, int]

    @classmethod
    def of(cls, tasks: Mapping[int, int], outgoing: Mapping[int, int]) -> Tally:
        """From all tasks, and those of them that are outgoing."""
        if not outgoing:
            return cls(tasks=tasks, staying=tasks)
        return cls(tasks=tasks, staying={number: count - outgoing.get(number, 0) for number, count in tasks.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Counting:
    """The start of a group's counting rules."""

    cluster: Cluster
    #: All tasks of the group.
    everything: Tally
    #: Its tasks of the version that is placed.
    same_version: Tally
    #: The agents on which it can run at all.
    where: int
    #: Desired tasks in all.
    instances: int

    def rule(self, rule: Constraint) -> CountingRule:
        """The constraint at work."""
        if rule.parts:
            return Combined(rule.operator, [self.rule(part) for part in rule.parts], self.cluster.everybody)
        if rule.counting is None:
            return Fixed(self.cluster.where(rule))
        match rule.counts:
            case Counted.ALL:
                tally = self.everything
            case Counted.VERSION:
                tally = self.same_version
            case _:
                assert_never(rule.counts)
        domains = self.cluster.compared(rule)
        match rule.counting:
            case CountingKind.AT_MOST:
                return AtMost(domains, tally.tasks, rule.most)
            case CountingKind.EVENLY:
                minimum = int(rule.values[0]) if rule.values else 0
                return GroupBy(Levels(domains, tally.staying, self.where), rule.mode, minimum, self.instances)
            case CountingKind.TOGETHER:
                return Together(domains, tally.tasks)
            case None:
                return Fixed(self.cluster.where(rule))
            case _:
                assert_never(rule.counting)

    def levels(self, spread: Spread) -> Levels:
        """The domains that a spread compares."""
        return Levels(self.cluster.domains((*spread.within, spread.over)), self.everything.staying, self.where)
