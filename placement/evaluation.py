"""A request against a snapshot: every rule of it at work, and the choice of an agent for one slot after the other."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import assert_never

from placement.bits import bits_of, first_in, numbers_in
from placement.by_count import ByCount
from placement.checks import (
    Amount,
    Availability,
    Check,
    Counts,
    Custom,
    HostPorts,
    Offered,
    Trait,
    amount_text,
    rule_name,
    rule_wanted,
)
from placement.cluster import DIMENSIONS, Cluster, Domains, combined
from placement.cluster_snapshot import ClusterSnapshot
from placement.counting import AtMost, Counting, CountingRule, GroupBy, HardSpread, Tally, Together
from placement.free_resources import FreeResources, Need
from placement.neighbours import NeighbourRule, RunningTasks
from placement.refusals import Reason, Refusal
from placement.request import Request
from placement.scoring import Scoring
from specs.ids import GroupId
from specs.model.constraints import DEDICATED, GPUS, REGION, Constraint, Strategy
from specs.model.operators import Operator
from specs.model.resources import Resources

_BLAMED = tuple(map(DIMENSIONS.index, ("gpus", "cpus", "mem", "disk")))
"""The amounts in the order in which they are blamed: what is rarest on agents first."""
_FEW = 64
"""Limit on the number of agents that are looked at one by one."""


def suitable(request: Request, snapshot: ClusterSnapshot) -> int:
    """The agents on which the group could run at all: by rules that do not count, availability and size."""
    cluster = snapshot.cluster
    found = cluster.everybody & ~cluster.bits_of(snapshot.unavailable)
    fields = request.rules.fields
    if snapshot.region and REGION not in fields:
        found &= _local(cluster, snapshot.region)
    if DEDICATED not in fields:
        found &= ~cluster.dedicated
    if not request.resources.gpus and GPUS not in fields:
        found &= ~cluster.with_gpus
    for rule in request.rules.constraints:
        found &= possible(cluster, rule)
    if not found:
        return 0
    executor = snapshot.overhead.resources
    return found & cluster.large_enough(
        request.resources
        + Resources(
            cpus_milli=executor.cpus_milli, mem_mib=executor.mem_mib, disk_mib=executor.disk_mib, gpus=executor.gpus
        )
    )


def possible(cluster: Cluster, rule: Constraint) -> int:
    """The agents for which a rule can hold at some time: one that counts tasks, where its field is there."""
    if not rule.is_counting:
        return cluster.where(rule)
    if rule.field:
        return cluster.compared(rule).having
    if rule.operator is Operator.NOT:
        return cluster.everybody
    return combined(rule.operator, (possible(cluster, part) for part in rule.parts), cluster.everybody)


def _local(cluster: Cluster, region: str) -> int:
    values = cluster.values(REGION)
    return bits_of((n for n, value in enumerate(values) if value in ((), (region,))), cluster.size)


class Evaluation:
    """`choose` names the agent for a slot, `take` puts the slot there, `refused` says why nothing is left."""

    def __init__(self, request: Request, snapshot: ClusterSnapshot, free: FreeResources, running: RunningTasks) -> None:
        self.request, self.snapshot, self.free, self.running = request, snapshot, free, running
        self.cluster = snapshot.cluster
        self.need = Need.of(request)
        self._suitable = suitable(request, snapshot)
        self._left = self._candidates()
        """Agents that can still take a slot, by the rules that never open again."""
        self._offset = _offset(request.group, self.cluster.size)

    def _candidates(self) -> int:
        found = self._suitable & self.free.offered
        if found.bit_count() <= _FEW:
            return bits_of((n for n in numbers_in(found) if self.free.fits(n, self.need)), self.cluster.size)
        for dimension, amount in enumerate(self.need.amounts):
            found &= self.free.fitting(dimension, amount)
        return found

    # ---- the rules at work ------------------------------------------------------

    @cached_property
    def counting(self) -> Counting:
        """Where tasks of the group are."""
        request, index = self.request, self.cluster.index
        outgoing = {index[id]: versions for id, versions in request.outgoing.items() if id in index}
        of_version = {number: versions.get(request.version, 0) for number, versions in outgoing.items()}
        return Counting(
            cluster=self.cluster,
            everything=Tally.of(
                dict(self.running.tasks(request.group)),
                {number: sum(versions.values()) for number, versions in outgoing.items()},
            ),
            same_version=Tally.of(self.running.same_version(request.group, request.version), of_version),
            where=self._suitable,
            instances=request.instances,
        )

    def _in_emptiest(self, domains: Domains, among: int) -> int:
        """The agents of the domain that could take most of the missing slots."""
        fits: dict[int, int] = {}
        wanted = len(self.request.slots)
        columns = [(self.free.amounts[place], amount) for place, amount in enumerate(self.need.amounts) if amount]
        for number in numbers_in(among & domains.having):
            count = min((column[number] // amount for column, amount in columns), default=wanted)
            for domain in domains.holding(number):
                fits[domain] = fits.get(domain, 0) + count
        return among & domains.bits[max(fits, key=lambda domain: (min(fits[domain], wanted), -domain))]

    @cached_property
    def _rules(self) -> list[tuple[Check, CountingRule | None]]:
        """The hard rules of the stack file in their order, each with its memory if it has one."""
        request, cluster = self.request, self.cluster
        found: list[tuple[Check, CountingRule | None]] = []
        for rule in request.rules.constraints:
            name, wanted, got = rule_name(rule), rule_wanted(rule), self._got_of(rule.fields)
            if rule.is_counting:
                state = self.counting.rule(rule)
                found.append((Counts(name, wanted, state, self._counted(state, got)), state))
            else:
                found.append((Trait(name, wanted, cluster.where(rule), got), None))
        for is_near, neighbours in ((True, request.rules.near), (False, request.rules.apart)):
            for neighbour in neighbours:
                if not neighbour.weight:
                    beside = NeighbourRule(neighbour, request.group, self.running, is_near=is_near)
                    wanted = str(neighbour.to) + (", of which nothing runs" if is_near and not beside.allowed else "")
                    name = f"{'near' if is_near else 'apart'} on {neighbour.field}"
                    found.append((Counts(name, wanted, beside, self._got_of((neighbour.field,))), beside))
        found += [(check, None) for check in self._kept_away()]
        for spread in request.rules.spread:
            if not spread.weight:
                hard = HardSpread(self.counting.levels(spread), spread, request.instances)
                wanted = str(spread).removeprefix(spread.over).strip()
                got = self._counted(hard, self._got_of((spread.over,)))
                found.append((Counts(spread.over, wanted, hard, got), hard))
        return found

    def _kept_away(self) -> list[Check]:
        """The hard "apart" of other groups holds for this one too."""
        return [
            Trait(f"apart on {field}", f"away from {names}", self.cluster.everybody & ~agents, self._got_of((field,)))
            for field, names, agents in sorted(self.running.kept_away(self.request.group), key=lambda each: each[:2])
        ]

    @cached_property
    def _memories(self) -> list[CountingRule]:
        return [state for _, state in self._rules if state is not None]

    @cached_property
    def _fixed_bits(self) -> int:
        """The agents that pass the hard rules without a memory."""
        found = self.cluster.everybody
        for check, state in self._rules:
            if state is None:
                found = check.passing(found)
        return found

    @cached_property
    def scoring(self) -> Scoring:
        """The points of agents."""
        return Scoring(self.request, self.cluster, self.running, self.counting)

    @cached_property
    def _own(self) -> ByCount:
        """The agents by how many tasks of the group they have, without those that make way."""
        return ByCount(self.cluster.everybody, self.counting.everything.staying)

    # ---- choosing -----------------------------------------------------------------

    def allowed(self, slot: int) -> int:
        """The agents that can take the slot now, ports not looked at."""
        found = self._left & self._fixed_bits
        for state in self._memories:
            found &= state.allowed
        pin = self.request.pins.get(slot)
        if pin is not None:
            number = self.cluster.index.get(pin)
            found &= 0 if number is None else 1 << number
        return found

    def choose(self, slot: int) -> int | None:
        """The agent for a slot, None where there is none. Takes nothing."""
        found = self.allowed(slot)
        while found:
            number = self.best(found, slot)
            if self.free.fits(number, self.need):
                return number
            found &= ~(1 << number)
            self._left &= ~(1 << number)
        return None

    def best(self, found: int, slot: int) -> int:
        """The one of these agents that is taken first, however well it fits."""
        home = self.request.homes.get(slot)
        if home is not None:
            number = self.cluster.index.get(home, -1)
            if number >= 0 and found >> number & 1 and self.scoring.prefers_home(number, found):
                return number
        for state in self._memories:
            if isinstance(state, GroupBy | HardSpread):
                found = state.lowest(found)
            elif isinstance(state, Together) and not state.is_settled:
                found = self._in_emptiest(state.domains, found)
        if self.scoring.has_failures:
            found = self._as_even(found)
        return self._first(found if self.scoring.is_none else self.scoring.best(found)[1])

    def _as_even(self, found: int) -> int:
        """The agents among which failures decide: a group is as even with each of them as with the one that
        would be taken if none had failed it. What failed on two of three agents does not end up on the third."""
        ideal = self._first(self.scoring.best(found, with_failures=False)[1])
        if self.request.rules.strategy is not Strategy.PACK:
            found = self._own.at_most(self._own.count(ideal), found)
        return self.scoring.as_well_spread(ideal, found)

    def _first(self, found: int) -> int:
        """The first of agents that are worth the same."""
        strategy = self.request.rules.strategy
        if strategy is Strategy.PACK:  # not a match, which compares texts: this is asked for each slot
            return first_in(self.free.at_hand_first(self.free.packed(found, self.need)), self._offset)
        if strategy is Strategy.SPREAD:
            return first_in(self.free.most_free(self._own.fewest(found)), self._offset)
        assert_never(strategy)

    def fitting(self, slot: int) -> int:
        """The agents that can take the slot."""
        found = self.allowed(slot)
        if self.need.is_plain and found.bit_count() > _FEW:
            for dimension, amount in enumerate(self.need.amounts):
                found &= self.free.fitting(dimension, amount)
            return found
        return bits_of((n for n in numbers_in(found) if self.free.fits(n, self.need)), self.cluster.size)

    def take(self, number: int, seed: int) -> tuple[tuple[int, ...], Resources]:
        """Puts a slot on an agent that was chosen; returns its host ports and all that it takes."""
        taken = self.free.take(number, self.need, seed)
        if self.request.rules.strategy is Strategy.PACK:
            self.free.open_up(number)
        for state in self._memories:
            state.placed(number)
        if not self.scoring.is_none:
            self.scoring.placed(number)
        self._own.raise_to(number, self._own.count(number) + 1)
        self.running.placed(self.request.group, number)
        return taken

    # ---- reasons --------------------------------------------------------------------

    @cached_property
    def checks(self) -> list[Check]:
        """Every rule, in the order in which they are blamed."""
        snapshot, cluster, free = self.snapshot, self.cluster, self.free
        fields = self.request.rules.fields
        found: list[Check] = []
        if snapshot.unavailable:
            found.append(Availability(cluster, snapshot.unavailable))
        if snapshot.region and REGION not in fields:
            bits = _local(cluster, snapshot.region)
            if bits != cluster.everybody:
                found.append(Trait(REGION, f"{snapshot.region}, the master's", bits, self._got_of((REGION,))))
        if DEDICATED not in fields and cluster.dedicated:
            bits = cluster.everybody & ~cluster.dedicated
            found.append(Trait(DEDICATED, "not dedicated", bits, self._got_of((DEDICATED,))))
        if not self.request.resources.gpus and GPUS not in fields and cluster.with_gpus:
            bits = cluster.everybody & ~cluster.with_gpus
            found.append(Trait(GPUS, "none, as no gpus are asked for", bits, self._got_of((GPUS,))))
        found += [check for check, _ in self._rules]
        for place in _BLAMED:
            amount = self.need.amounts[place]
            if amount:
                found.append(Amount(free, place, amount))
            elif free.fitting(place, 0) != cluster.everybody:
                found.append(self._executor_check(place))
        found += self._rare_checks()
        return [*found, Offered(free)]

    def _executor_check(self, place: int) -> Check:
        """Agents that have too little for our executor even where the request itself wants nothing of it."""
        name, free = DIMENSIONS[place], self.free
        wanted = f"{amount_text(name, free.overhead[place])} for the executor"
        return Trait(
            name, wanted, free.fitting(place, 0), lambda number: amount_text(name, max(free.amounts[place][number], 0))
        )

    def _rare_checks(self) -> list[Check]:
        want = self.request.resources
        found: list[Check] = [
            Custom(self.free, name, Resources(scalars=((name, amount),))) for name, amount in want.scalars
        ]
        found += [Custom(self.free, name, Resources(sets=((name, items),))) for name, items in want.sets]
        if self.need.host_ports:
            found.append(HostPorts(self.free, self.need, None))
            found += [HostPorts(self.free, self.need, port) for port in self.need.host_ports if port is not None]
        return found

    def pin_check(self, slot: int) -> Check | None:
        """The rule that a slot can only go to one agent; None where it has no such rule."""
        pin = self.request.pins.get(slot)
        if pin is None:
            return None
        number = self.cluster.index.get(pin)
        bits = 0 if number is None else 1 << number
        name = pin if number is None else self.cluster.agents[number].hostname
        text = f"{name}, which is gone" if number is None else name
        return Trait("home", text, bits, lambda other: self.cluster.agents[other].hostname)

    def refused(self, slots: tuple[int, ...]) -> Refusal:
        """Why the first of these slots found no place: each agent is counted at the first rule that it breaks."""
        rest, reasons = self.cluster.everybody, []
        pin = self.pin_check(slots[0])
        for check in [*([pin] if pin else []), *self.checks]:
            passing = check.passing(rest)
            bad = rest & ~passing
            if bad:
                reasons.append(Reason(rule=check.rule, count=bad.bit_count(), detail=check.detail(bad)))
            rest = passing
            if not rest:
                break
        if rest:
            count = rest.bit_count()
            reasons.append(Reason(rule="together", count=count, detail="what it wants does not fit together"))
        return Refusal(slots=slots, agents=self.cluster.size, reasons=tuple(reasons))

    def _got_of(self, fields: tuple[str, ...]) -> Callable[[int], str]:
        columns = [self.cluster.values(field) for field in fields]

        def got(number: int) -> str:
            return ", ".join(" and ".join(column[number]) or "none" for column in columns)

        return got

    def _counted(self, state: CountingRule, got: Callable[[int], str]) -> Callable[[int], str]:
        """The value of an agent's field with how many tasks of the group are there."""
        levels = state.levels if isinstance(state, GroupBy | HardSpread) else None

        def counted(number: int) -> str:
            if isinstance(state, AtMost):
                return f"{got(number)}: {state.count(number)}"
            if levels is not None and levels.domains.of[number] >= 0:
                return f"{got(number)}: {levels.counts.get(levels.domains.of[number], 0)}"
            return got(number)

        return counted


def _offset(group: GroupId, size: int) -> int:
    """Where the search among equals begins: another place for each group, the same one each time."""
    number = 0
    for character in str(group):
        number = (number * 31 + ord(character)) & 0xFFFFFFFF
    return number * 2654435761 % 4294967296 * size >> 32
