"""The rules of placement once more, agent by agent and in plain words: slow, and nothing of the engine's is used but
`holds`, which has tests of its own. What place() says is replayed here, one placement after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from math import ceil
from operator import ge

from placement.agent import Agent
from placement.cluster_snapshot import ClusterSnapshot
from placement.request import Placement, Request
from specs.ids import AgentId, GroupId, VersionId
from specs.model.constraints import REST, Constraint, Counted, GroupByMode, Neighbour, Selector, Spread
from specs.model.operators import Operator
from specs.model.predicates import holds
from specs.model.resources import PortRanges, Resources

Tasks = dict[GroupId, dict[AgentId, dict[VersionId, int]]]


NEGATIVE = (Operator.UNLIKE, Operator.NOT_EQUAL, Operator.NOT_IN, Operator.IS_NOT_SET)


def values(agent: Agent, field: str) -> set[str]:
    """The values that an agent has in a field; an attribute may be given several times."""
    special: Mapping[str, str] = {
        "hostname": agent.hostname,
        "@region": agent.region,
        "@zone": agent.zone,
        "@id": agent.id,
        "@gpus": str(agent.total.gpus) if agent.total else "0",
    }
    if field in special:
        return {special[field]} - {""}
    return {text for name, text in agent.attributes if name == field}


def is_met_by(rule: Constraint, agent: Agent) -> bool:
    """Whether a rule that neither counts nor combines takes an agent: one value is enough, and what a negative one
    refuses must be none of them."""
    found = values(agent, rule.field)
    if not found:
        return holds(rule, None)
    if rule.operator in NEGATIVE:
        return not any(not holds(rule, one) for one in found)
    return any(holds(rule, one) for one in found)


def means(selector: Selector, home: GroupId, other: GroupId) -> bool:
    """Whether a selector of `home` means a group."""
    stack = selector.stack or home.stack
    return (
        stack in ("*", other.stack)
        and fnmatchcase(other.service, selector.service)
        and set(selector.labels) <= set(other.labels)
    )


class World:
    """A snapshot that placements change."""

    def __init__(self, snapshot: ClusterSnapshot) -> None:
        self.snapshot = snapshot
        self.agents = {agent.id: agent for agent in snapshot.cluster.agents}
        self.free = {id: has for id, has in snapshot.free.items() if id in self.agents}
        self.executors = set(snapshot.overhead.present)
        self.tasks: Tasks = {
            group: {id: dict(versions) for id, versions in by_agent.items() if id in self.agents}
            for group, by_agent in snapshot.occupancy.counts.items()
        }

    # ---- resources --------------------------------------------------------------

    def executor(self, id: AgentId) -> Resources:
        """The resources that our executor still needs on an agent."""
        return Resources() if id in self.executors else self.snapshot.overhead.resources

    def has_room(self, request: Request, id: AgentId) -> bool:
        """Whether an agent is offered and has all that a slot takes."""
        has = self.free.get(id)
        if has is None or not has.covers(_amounts(request.resources) + self.executor(id)):
            return False
        fixed = [port for port in request.host_ports if port is not None]
        return (
            all(port in has.ports for port in fixed)
            and len(has.ports) >= len(request.host_ports)
            and has_custom(has, request.resources)
        )

    def free_share(self, id: AgentId) -> float:
        """The scarcer of cpus and memory that an agent has free beside the executor, as a share of all it has."""
        agent, free = self.agents[id], self.free[id]
        executor = self.executor(id)
        cpus, mem = free.cpus_milli - executor.cpus_milli, free.mem_mib - executor.mem_mib
        whole = (agent.total.cpus_milli, agent.total.mem_mib) if agent.total else (max(cpus, 1), max(mem, 1))
        return min(min(max(part / (of or 1), 0.0), 1.0) for part, of in zip((cpus, mem), whole, strict=True))

    def take(self, request: Request, placement: Placement) -> None:
        """Takes what a placement says; fails where it is not what the request wants, or is not there."""
        want, taken = request.resources, placement.resources
        assert _amounts(want) == _amounts(taken)
        assert taken.ports == PortRanges.single(placement.host_ports)
        assert len(taken.ports) == len(request.host_ports) == len(placement.host_ports), "distinct ports"
        for wanted, port in zip(request.host_ports, placement.host_ports, strict=True):
            assert wanted in (None, port)
        self._check_custom(request, placement)
        self.free[placement.agent_id] -= self.executor(placement.agent_id)
        self.executors.add(placement.agent_id)
        self.free[placement.agent_id] -= taken
        versions = self.tasks.setdefault(request.group, {}).setdefault(placement.agent_id, {})
        versions[request.version] = versions.get(request.version, 0) + 1

    def _check_custom(self, request: Request, placement: Placement) -> None:
        has, taken = dict(self.free[placement.agent_id].sets), dict(placement.resources.sets)
        counts = {name: len(items) for name, items in request.resources.sets}
        scalars = []
        for name, items in request.resources.sets:
            assert set(items) <= set(taken[name])
        for name, amount in request.resources.scalars:
            if name in has or name in taken:
                counts[name] = counts.get(name, 0) + ceil(amount / 1000)
            else:
                scalars.append((name, amount))
        assert {name: len(items) for name, items in taken.items()} == counts
        assert placement.resources.scalars == tuple(scalars)

    # ---- rules ------------------------------------------------------------------

    def could_run(self, request: Request, agent: Agent) -> bool:
        """Whether the group could run there if nothing else did."""
        snapshot, fields = self.snapshot, request.rules.fields
        local = not snapshot.region or agent.region in ("", snapshot.region)
        executor = _amounts(snapshot.overhead.resources)
        return (
            agent.id not in snapshot.unavailable
            and (local or "@region" in fields)
            and (not values(agent, "dedicated") or "dedicated" in fields)
            and (values(agent, "@gpus") == {"0"} or request.resources.gpus > 0 or "@gpus" in fields)
            and all(self._could_hold(rule, agent) for rule in request.rules.constraints)
            and (
                agent.total is None
                or (
                    agent.total.covers(_amounts(request.resources) + executor)
                    and has_custom(agent.total, request.resources)
                )
            )
        )

    def _could_hold(self, rule: Constraint, agent: Agent) -> bool:
        """Of rules that count only the field is asked."""
        if rule.is_counting and rule.operator is Operator.NOT:
            return True
        if rule.operator in (Operator.ANY, Operator.ALL):
            parts = [self._could_hold(part, agent) for part in rule.parts]
            return any(parts) if rule.operator is Operator.ANY else all(parts)
        return _is_met(
            rule,
            lambda part: (
                is_met_by(part, agent)
                and (part.operator is not Operator.GROUP_BY or len(values(agent, part.field)) == 1)
            ),
        )

    def allows(self, request: Request, id: AgentId) -> bool:
        """Whether every hard rule takes the agent now, whatever room it has."""
        agent = self.agents[id]
        rules = request.rules
        return (
            self.could_run(request, agent)
            and all(self._holds_now(rule, request, agent) for rule in rules.constraints)
            and all(self._keeps_skew(spread, request, agent) for spread in rules.spread if not spread.weight)
            and all(self._is_near(each, request.group, agent) for each in rules.near if not each.weight)
            and not any(self._is_beside(each, request.group, agent) for each in rules.apart if not each.weight)
            and not any(
                means(each.to, group, request.group) and self._has_tasks(agent, each.field, group)
                for group, each in self.snapshot.occupancy.apart
                if group != request.group
            )
        )

    def fits(self, request: Request, id: AgentId, slot: int) -> bool:
        """Whether a slot may go to an agent now."""
        return request.pins.get(slot, id) == id and self.has_room(request, id) and self.allows(request, id)

    def may_be_taken(self, request: Request, fitting: Sequence[AgentId]) -> list[AgentId]:
        """The agents that are worth most, by all but spreads and room, to a group that is not packed. Failures
        count among those with no more tasks than the agent that would be taken without them, and no worse apart."""

        def tasks(id: AgentId) -> int:
            return sum(self.tasks.get(request.group, {}).get(id, {}).values())

        def apart(id: AgentId) -> list[bool]:
            rules = [each for each in request.rules.apart if each.weight]
            return [not self._is_beside(each, request.group, self.agents[id]) for each in rules]

        def without(id: AgentId) -> int:
            penalty = request.penalties.get(id, 0)
            return self.points(request, id) + penalty - (50 if penalty >= 50 else 0)

        if not fitting:
            return []
        most = max(without(id) for id in fitting)
        fewest = min(tasks(id) for id in fitting if without(id) == most)
        found: list[AgentId] = []
        for ideal in (id for id in fitting if without(id) == most and tasks(id) == fewest):
            even = [id for id in fitting if tasks(id) <= fewest and all(map(ge, apart(id), apart(ideal)))]
            best = max(self.points(request, id) for id in even)
            found += [id for id in even if self.points(request, id) == best]
        least = min(tasks(id) for id in found)
        return [id for id in found if tasks(id) == least] if not request.penalties else found

    def points(self, request: Request, id: AgentId) -> int:
        """The points of an agent by all preferences but spreads."""
        agent, rules = self.agents[id], request.rules
        near = [each.weight for each in rules.near if each.weight and self._is_near(each, request.group, agent)]
        apart = [each.weight for each in rules.apart if each.weight and not self._is_beside(each, request.group, agent)]
        liked = [spec.weight for spec in rules.prefer if is_met_by(spec.rule, agent)]
        return sum(near) + sum(apart) + sum(liked) - request.penalties.get(id, 0)

    def _holds_now(self, rule: Constraint, request: Request, agent: Agent) -> bool:
        return _is_met(rule, lambda part: self._leaf(part, request, agent))

    def _leaf(self, rule: Constraint, request: Request, agent: Agent) -> bool:
        mine_of = values(agent, rule.field)
        if not rule.is_counting or not mine_of:
            return is_met_by(rule, agent)
        version = request.version if rule.counts is Counted.VERSION else None
        counts = self.shares(request.group, rule.field, version)
        mine = max(counts.get((one,), 0) for one in mine_of)
        if rule.operator is Operator.UNIQUE:
            return not mine
        if rule.operator is Operator.MAX_PER:
            return mine < int(rule.values[0])
        if rule.operator is Operator.CLUSTER:
            return not counts or mine == max(counts.values())
        if len(mine_of) > 1:
            return False
        (own,) = mine_of
        counts = self.counts(request.group, (rule.field,), version)
        compared = self.compared(request, (rule.field,))
        counts = {domain: count for domain, count in counts.items() if domain in compared}
        if (own,) not in compared:
            return False
        mine = counts.get((own,), 0)  # without the tasks on agents that have several values
        if rule.mode is GroupByMode.MINIMUM:
            minimum = min(int(rule.values[0]) if rule.values else 0, len(compared))
            return not mine or (len(counts) >= minimum and mine == min(counts.values()))
        parts = min(int(rule.values[0]) if rule.values else len(compared), len(compared))
        quota, remainder = divmod(request.instances, parts)
        if not mine:
            return len(counts) < parts
        above = sum(1 for count in counts.values() if count > quota)
        return mine < quota or (mine == quota and above < remainder)

    def _keeps_skew(self, spread: Spread, request: Request, agent: Agent) -> bool:
        own = self._domain(agent, (*spread.within, spread.over))
        compared = [
            domain
            for domain in self.compared(request, (*spread.within, spread.over))
            if own is not None and domain[:-1] == own[:-1]
        ]
        if own is None or own not in compared:
            return False
        counts = self.counts(request.group, (*spread.within, spread.over))
        if spread.targets:
            shares = dict(spread.targets)
            percent = shares.get(own[-1], shares.get(REST, 0))
            whole = 1 + sum(counts.get(each, 0) for each in compared) if spread.within else request.instances
            return counts.get(own, 0) < ceil(whole * percent / 100)
        fewest = min(counts.get(each, 0) for each in compared) if len(compared) >= spread.min_domains else 0
        return counts.get(own, 0) < fewest + spread.max_skew

    def _is_near(self, neighbour: Neighbour, home: GroupId, agent: Agent) -> bool:
        if self._is_beside(neighbour, home, agent):
            return True
        nowhere = not any(self._is_beside(neighbour, home, each) for each in self.agents.values())
        return means(neighbour.to, home, home) and nowhere and bool(values(agent, neighbour.field))

    def _is_beside(self, neighbour: Neighbour, home: GroupId, agent: Agent) -> bool:
        return any(
            means(neighbour.to, home, group) and self._has_tasks(agent, neighbour.field, group) for group in self.tasks
        )

    def _has_tasks(self, agent: Agent, field: str, group: GroupId) -> bool:
        shares = self.shares(group, field)
        return any(shares.get((one,), 0) > 0 for one in values(agent, field))

    # ---- where tasks are --------------------------------------------------------

    def counts(
        self, group: GroupId, fields: Sequence[str], version: VersionId | None = None
    ) -> dict[tuple[str, ...], int]:
        """Tasks of a group by the values of some fields, where each agent has exactly one."""
        found: dict[tuple[str, ...], int] = {}
        for id, versions in self.tasks.get(group, {}).items():
            domain = self._domain(self.agents[id], fields)
            count = sum(versions.values()) if version is None else versions.get(version, 0)
            if domain is not None and count:
                found[domain] = found.get(domain, 0) + count
        return found

    def shares(self, group: GroupId, field: str, version: VersionId | None = None) -> dict[tuple[str, ...], int]:
        """The same by one field, where a task counts for every value that its agent has."""
        found: dict[tuple[str, ...], int] = {}
        for id, versions in self.tasks.get(group, {}).items():
            count = sum(versions.values()) if version is None else versions.get(version, 0)
            for one in values(self.agents[id], field) if count else ():
                found[one,] = found.get((one,), 0) + count
        return found

    def compared(self, request: Request, fields: Sequence[str]) -> list[tuple[str, ...]]:
        """The domains in which the group could run at all."""
        found = {
            domain
            for agent in self.agents.values()
            if self.could_run(request, agent) and (domain := self._domain(agent, fields)) is not None
        }
        return sorted(found)

    @staticmethod
    def _domain(agent: Agent, fields: Sequence[str]) -> tuple[str, ...] | None:
        domain = tuple(one for field in fields if len(values(agent, field)) == 1 for one in values(agent, field))
        return domain if len(domain) == len(fields) else None


def has_custom(has: Resources, want: Resources) -> bool:
    """Whether custom scalars and sets' items are there; a scalar that is a set there means so many of its items."""
    sets, scalars = dict(has.sets), dict(has.scalars)
    named = dict(want.sets)
    if not all(set(items) <= set(sets.get(name, ())) for name, items in want.sets):
        return False
    return all(
        scalars[name] >= amount
        if name in scalars
        else len(set(sets.get(name, ())) - set(named.get(name, ()))) >= ceil(amount / 1000)
        for name, amount in want.scalars
    )


def _amounts(resources: Resources) -> Resources:
    return replace(resources, ports=PortRanges(), scalars=(), sets=())


def _is_met(rule: Constraint, leaf: Callable[[Constraint], bool]) -> bool:
    if rule.operator is Operator.NOT:
        return not _is_met(rule.parts[0], leaf)
    if rule.operator is Operator.ANY:
        return any(_is_met(part, leaf) for part in rule.parts)
    if rule.operator is Operator.ALL:
        return all(_is_met(part, leaf) for part in rule.parts)
    return leaf(rule)
