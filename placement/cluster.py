"""The known agents, numbered, and which of them have which value of a field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, reduce
from operator import and_, or_
from typing import assert_never

from placement.agent import Agent
from placement.bits import bits_of, numbers_in
from placement.thresholds import Threshold
from specs.ids import AgentId
from specs.model.constraints import DEDICATED, GPUS, HOSTNAME, ID, REGION, ZONE, Constraint
from specs.model.operators import CountingKind, Operator
from specs.model.predicates import holds_of_any
from specs.model.resources import Resources

UNKNOWN = 1 << 60
"""An amount that was not reported: more than anyone wants, so that it never refuses an agent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Domains:
    """Agents by their values of some fields; domains are in the order of their keys.

    Domain d has the values `keys[d]`, the agents `bits[d]` and the outer domain `parents[d]` (all values but the last);
    agent i is in `of[i]`, -1 where it is in none or in `several`.
    """

    keys: tuple[tuple[str, ...], ...]
    bits: tuple[int, ...]
    of: tuple[int, ...]
    parents: tuple[int, ...]
    having: int
    """The agents that are in a domain."""
    several: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """The domains of each agent that has several values of a field and is in the domain of each of them."""

    def holding(self, number: int) -> tuple[int, ...]:
        """All domains of an agent."""
        domain = self.of[number]
        return (domain,) if domain >= 0 else self.several.get(number, ())


class Cluster:
    """Agents in the order of their ids; number i is bit i. Results are kept for the next call."""

    def __init__(self, agents: Iterable[Agent]) -> None:
        self.agents: tuple[Agent, ...] = tuple(sorted(agents, key=lambda agent: agent.id))
        self.index: dict[AgentId, int] = {agent.id: number for number, agent in enumerate(self.agents)}
        self.size = len(self.agents)
        self.everybody = (1 << self.size) - 1
        self._attributes = tuple(_by_name(agent) for agent in self.agents)
        self._values: dict[str, tuple[tuple[str, ...], ...]] = {}
        self._domains: dict[tuple[str, ...], Domains] = {}
        self._overlapping: dict[str, Domains] = {}
        self._where: dict[Constraint, int] = {}

    def renewed(self, agents: Iterable[Agent]) -> Cluster:
        """The cluster of these agents; what was found out is kept where they differ in nothing but what is free."""
        other = Cluster(agents)
        if len(other.agents) == self.size and all(map(_is_alike, self.agents, other.agents)):
            kept = {name: value for name, value in self.__dict__.items() if name not in ("agents", "estimated_free")}
            other.__dict__.update(kept)
        return other

    def bits_of(self, ids: Iterable[AgentId]) -> int:
        """The set of these agents, as far as they are known."""
        return bits_of((self.index[id] for id in ids if id in self.index), self.size)

    def values(self, field: str) -> tuple[tuple[str, ...], ...]:
        """The values of a field by agent: none where it has no such field, several where it was given several times."""
        known = self._values.get(field)
        if known is None:
            known = self._values[field] = tuple(self._values_of(number, field) for number in range(self.size))
        return known

    def _values_of(self, number: int, field: str) -> tuple[str, ...]:
        agent = self.agents[number]
        if field == HOSTNAME:
            return (agent.hostname,)
        if field == REGION:
            return (agent.region,) if agent.region else ()
        if field == ZONE:
            return (agent.zone,) if agent.zone else ()
        if field == ID:
            return (agent.id,)
        if field == GPUS:
            return (str(agent.total.gpus if agent.total else 0),)
        return self._attributes[number].get(field, ())

    def domains(self, fields: Sequence[str]) -> Domains:
        """The agents by their values of these fields, each in one domain, so that evenness adds up. An agent with
        several values of a field is in none."""
        key = tuple(fields)
        known = self._domains.get(key)
        if known is None:
            columns = zip(*(self.values(name) for name in key), strict=True)
            known = self._domains[key] = self._divide(
                [tuple(each[0] for each in values) if all(len(each) == 1 for each in values) else None]
                for values in columns
            )
        return known

    def overlapping(self, field: str) -> Domains:
        """The agents by their values of a field, each in the domain of every value that it has."""
        known = self._overlapping.get(field)
        if known is None:
            columns = self.values(field)
            has_several = any(len(values) > 1 for values in columns)
            known = self._overlapping[field] = (
                self._divide([(value,) for value in values] for values in columns)
                if has_several
                else self.domains((field,))
            )
        return known

    def compared(self, rule: Constraint) -> Domains:
        """The domains of a rule that counts tasks, in the meaning that it has for agents with several values."""
        match rule.counting:
            case CountingKind.EVENLY:
                return self.domains((rule.field,))
            case CountingKind.AT_MOST | CountingKind.TOGETHER:
                return self.overlapping(rule.field)
            case None:
                raise ValueError(f"wanted a rule that counts tasks, got {rule}")
            case _:
                assert_never(rule.counting)

    def _divide(self, agents: Iterable[Sequence[tuple[str, ...] | None]]) -> Domains:
        """Makes Domains of the values that each agent has, in the order of their numbers; None is no domain."""
        members: dict[tuple[str, ...], list[int]] = {}
        shared: list[tuple[int, Sequence[tuple[str, ...] | None]]] = []
        for number, domains in enumerate(agents):
            for values in domains:
                if values is not None:
                    members.setdefault(values, []).append(number)
            if len(domains) > 1:
                shared.append((number, domains))
        keys = tuple(sorted(members))
        places = {values: place for place, values in enumerate(keys)}
        of = [-1] * self.size
        for domain, values in enumerate(keys):
            for number in members[values]:
                of[number] = domain
        several = {number: tuple(places[values] for values in domains if values) for number, domains in shared}
        for number in several:
            of[number] = -1
        outer = {values: place for place, values in enumerate(sorted({values[:-1] for values in keys}))}
        having = bits_of((number for number, domain in enumerate(of) if domain >= 0 or number in several), self.size)
        return Domains(
            keys=keys,
            bits=tuple(_bits_of(members[values], self.size) for values in keys),
            of=tuple(of),
            parents=tuple(outer[values[:-1]] for values in keys),
            having=having,
            several=several,
        )

    def where(self, rule: Constraint) -> int:
        """The agents for which a rule holds that does not count, also one that combines others."""
        known = self._where.get(rule)
        if known is None:
            known = self._where[rule] = self._find(rule)
        return known

    def _find(self, rule: Constraint) -> int:
        if rule.declared.is_combining:
            return combined(rule.operator, (self.where(part) for part in rule.parts), self.everybody)
        known: dict[tuple[str, ...], list[int]] = {}
        for number, values in enumerate(self.values(rule.field)):
            known.setdefault(values, []).append(number)
        found = 0
        for values, numbers in known.items():
            if holds_of_any(rule, values):
                found |= _bits_of(numbers, self.size)
        return found

    @cached_property
    def dedicated(self) -> int:
        """The agents that take only tasks whose constraints speak of the attribute `dedicated`."""
        return self.where(Constraint(operator=Operator.IS_SET, field=DEDICATED))

    @cached_property
    def with_gpus(self) -> int:
        return bits_of((number for number, value in enumerate(self.values(GPUS)) if value != ("0",)), self.size)

    @cached_property
    def _totals(self) -> tuple[Threshold, ...]:
        return tuple(
            Threshold([UNKNOWN if agent.total is None else amounts(agent.total)[place] for agent in self.agents])
            for place in range(len(DIMENSIONS))
        )

    def large_enough(self, want: Resources) -> int:
        """The agents that could hold so much if nothing else ran on them; unknown ones among them."""
        found = self.everybody
        for threshold, amount in zip(self._totals, amounts(want), strict=True):
            found &= threshold.at_least(amount)
        if want.scalars or want.sets:
            found = bits_of((n for n in numbers_in(found) if _holds_custom(self.agents[n].total, want)), self.size)
        return found

    @cached_property
    def units(self) -> tuple[list[float], list[float]]:
        """One unit of cpus and one of memory as a share of the agent's total; 1 where the total is unknown."""
        cpus, mem = (
            [
                1.0 / amounts(agent.total)[place] if agent.total and amounts(agent.total)[place] else 1.0
                for agent in self.agents
            ]
            for place in (0, 1)
        )
        return cpus, mem

    @cached_property
    def untold(self) -> tuple[int, ...]:
        """The agents whose total is unknown."""
        return tuple(number for number, agent in enumerate(self.agents) if agent.total is None)

    @cached_property
    def all_of(self) -> tuple[float, float]:
        """The cpus and the memory of all agents of which they are known; never 0."""
        told = [amounts(agent.total) for agent in self.agents if agent.total]
        cpus, mem = (max(float(sum(amount[place] for amount in told)), 1.0) for place in (0, 1))
        return cpus, mem

    @cached_property
    def estimated_free(self) -> tuple[list[int], ...]:
        """By dimension and agent, what was free when the master was last asked; else all that the agent has, as it is
        never more; or UNKNOWN."""
        estimated = [agent.free or agent.total for agent in self.agents]
        return tuple(
            [UNKNOWN if has is None else amounts(has)[place] for has in estimated] for place in range(len(DIMENSIONS))
        )


def combined(operator: Operator, parts: Iterable[int], everybody: int) -> int:
    """The agents that any, all or not accepts, given those that each of its parts accepts."""
    match operator:
        case Operator.NOT:
            (part,) = parts
            return everybody & ~part
        case Operator.ALL:
            return reduce(and_, parts, everybody)
        case Operator.ANY:
            return reduce(or_, parts, 0)
        case _:
            raise ValueError(f"wanted any, all or not, got {operator}")


def _is_alike(one: Agent, other: Agent) -> bool:
    """Whether all that rules compare is the same."""
    return one is other or (
        (one.id, one.hostname, one.region, one.zone, one.attributes, one.total)
        == (other.id, other.hostname, other.region, other.zone, other.attributes, other.total)
    )


def _by_name(agent: Agent) -> dict[str, tuple[str, ...]]:
    """The values of each attribute, each value once."""
    found: dict[str, tuple[str, ...]] = {}
    for name, text in agent.attributes:
        found[name] = tuple(dict.fromkeys((*found.get(name, ()), text)))
    return found


def _bits_of(numbers: list[int], size: int) -> int:
    return 1 << numbers[0] if len(numbers) == 1 else bits_of(numbers, size)


DIMENSIONS = ("cpus", "mem", "disk", "gpus")


def amounts(resources: Resources) -> tuple[int, int, int, int]:
    """The amounts that are compared one by one, in the order of DIMENSIONS."""
    return (resources.cpus_milli, resources.mem_mib, resources.disk_mib, resources.gpus)


def _holds_custom(total: Resources | None, want: Resources) -> bool:
    return total is None or take_custom(total, want) is not None


def take_custom(has: Resources, want: Resources) -> Resources | None:
    """The custom scalars and sets that a request takes, None where there are too few: the amounts of scalars,
    and of sets the exact items; any will do where only their number was wanted, and the first ones are taken."""
    scalars, sets = dict(has.scalars), dict(has.sets)
    taken_scalars: list[tuple[str, int]] = []
    taken_sets: dict[str, tuple[str, ...]] = {}
    for name, items in want.sets:
        if not set(items) <= set(sets.get(name, ())):
            return None
        taken_sets[name] = items
    for name, amount in want.scalars:
        if name in scalars:
            if scalars[name] < amount:
                return None
            taken_scalars.append((name, amount))
            continue
        named = taken_sets.get(name, ())
        rest = [item for item in sets.get(name, ()) if item not in named]
        count = -(-amount // 1000)
        if len(rest) < count:
            return None
        taken_sets[name] = tuple(sorted((*named, *rest[:count])))
    return Resources(scalars=tuple(taken_scalars), sets=tuple((name, taken_sets[name]) for name in sorted(taken_sets)))
