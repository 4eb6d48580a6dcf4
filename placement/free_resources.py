"""The free resources of each agent while requests are placed, kept so that one placement costs the same on 10 agents
and on 10,000."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from placement.bits import bits_of, numbers_in
from placement.cluster import amounts, take_custom
from placement.cluster_snapshot import ClusterSnapshot
from placement.ports import Ports
from placement.request import Request
from placement.thresholds import Threshold
from specs.model.constraints import Strategy
from specs.model.resources import PortRanges, Resources

STEPS = 64
"""The number of steps by which free shares are compared."""
WORTH_A_WAIT_STEPS = STEPS // 4
"""An agent that is not at hand is waited for where its free share is larger by so many steps."""
_SPREAD_BY = 7919


@dataclass(frozen=True, slots=True)
class Need:
    """The resources that one slot takes."""

    amounts: tuple[int, ...]
    host_ports: tuple[int | None, ...]
    custom: Resources | None
    """Scalars and sets, None where none is wanted."""

    @classmethod
    def of(cls, request: Request) -> Need:
        """The need of each slot of a request."""
        want = request.resources
        custom = Resources(scalars=want.scalars, sets=want.sets) if want.scalars or want.sets else None
        return cls(amounts(want), request.host_ports, custom)

    @property
    def is_plain(self) -> bool:
        """Whether amounts say all."""
        return not self.host_ports and self.custom is None


class Steps:
    """Agents by a share between 0 and 1, in STEPS steps."""

    def __init__(self, bits: int, size: int, share: Callable[[FreeResources, int], float], free: FreeResources) -> None:
        self._share = share
        self._of = [0] * size
        members: list[list[int]] = [[] for _ in range(STEPS)]
        for number in numbers_in(bits):
            step = self._of[number] = int(share(free, number) * (STEPS - 1))
            members[step].append(number)
        self.bits = [bits_of(each, size) for each in members]
        """The agents of each step, from the smallest share."""

    def copy(self) -> Steps:
        """The same, to try something with."""
        other = Steps.__new__(Steps)
        other._share, other._of, other.bits = self._share, list(self._of), list(self.bits)
        return other

    def first(self, bits: int, *, rising: bool) -> int:
        """The agents among these with the smallest share, or the largest where it is not `rising`."""
        for members in self.bits if rising else reversed(self.bits):
            found = bits & members
            if found:
                return found
        return bits

    def highest(self, bits: int) -> int:
        """The step of the largest share that one of the agents has."""
        return next((step for step in range(STEPS - 1, 0, -1) if bits & self.bits[step]), 0)

    def move(self, number: int, free: FreeResources) -> None:
        """Takes an agent's new share."""
        before, after = self._of[number], int(self._share(free, number) * (STEPS - 1))
        if before != after:
            self.bits[before] ^= 1 << number
            self.bits[after] |= 1 << number
            self._of[number] = after


class FreeResources:
    """Free amounts by agent, lessened by each `take`. What was computed is brought up to date by the log of takes."""

    def __init__(self, snapshot: ClusterSnapshot) -> None:
        cluster = snapshot.cluster
        self.cluster = cluster
        self.size = cluster.size
        self._free = snapshot.free
        self.amounts = tuple(list(amounts_of) for amounts_of in cluster.estimated_free)
        self.overhead = overhead = amounts(snapshot.overhead.resources)
        present = snapshot.overhead.present
        offered = []
        for id, has in snapshot.free.items():
            number = cluster.index.get(id)
            if number is None:
                continue
            offered.append(number)
            pays = id not in present
            for column, amount, extra in zip(self.amounts, amounts(has), overhead, strict=True):
                column[number] = amount - extra if pays else amount
        self.offered = bits_of(offered, self.size)
        self.at_hand = self.offered & ~cluster.bits_of(snapshot.estimated)
        self._ports: dict[int, Ports] = {}
        self._custom: dict[int, Resources] = {}
        self._log: list[int] = []
        self._thresholds: dict[int, tuple[Threshold, int]] = {}
        self._fitting: dict[tuple[int, int], tuple[int, int]] = {}
        self._open = 0
        self._shares: Steps | None = None
        self._tilts: Steps | None = None

    def copy(self) -> FreeResources:
        """A copy to try something in."""
        other = FreeResources.__new__(FreeResources)
        other.cluster, other.size, other._free, other.offered = self.cluster, self.size, self._free, self.offered
        other.overhead, other.at_hand = self.overhead, self.at_hand
        other.amounts = tuple(list(column) for column in self.amounts)
        other._ports = {number: ports.copy() for number, ports in self._ports.items()}
        other._custom = dict(self._custom)
        other._log = list(self._log)
        other._open = self._open
        other._thresholds, other._fitting = dict(self._thresholds), dict(self._fitting)
        other._shares = self._shares and self._shares.copy()
        other._tilts = self._tilts and self._tilts.copy()
        return other

    # ---- what fits -----------------------------------------------------------

    def fitting(self, dimension: int, amount: int) -> int:
        """The agents that have so much of a dimension left, beside the executor; of those not offered, by the
        estimate."""
        if amount <= 0 and not self.overhead[dimension]:
            return self.cluster.everybody
        known = self._fitting.get((dimension, amount))
        if known is None:
            if dimension not in self._thresholds:
                self._thresholds[dimension] = (Threshold(self.amounts[dimension]), len(self._log))
            threshold, upto = self._thresholds[dimension]
            known = (threshold.at_least(amount), upto)
        found, upto = known
        if upto < len(self._log):
            column = self.amounts[dimension]
            short = [number for number in dict.fromkeys(self._log[upto:]) if column[number] < amount]
            if short:
                found &= ~bits_of(short, self.size)
        self._fitting[dimension, amount] = (found, len(self._log))
        return found

    def fits(self, number: int, need: Need) -> bool:
        """Whether one agent has room for one more."""
        for column, amount in zip(self.amounts, need.amounts, strict=True):
            if column[number] < amount:
                return False
        return need.is_plain or (self.has_ports(number, need) and self.has_custom(number, need))

    def has_ports(self, number: int, need: Need) -> bool:
        """Whether an agent has the ports that are wanted."""
        if not need.host_ports:
            return True
        ports = self.ports(number)
        return ports.count >= len(need.host_ports) and all(
            ports.has(port) for port in need.host_ports if port is not None
        )

    def has_custom(self, number: int, need: Need) -> bool:
        """Whether an agent has the custom scalars and the items of sets that are wanted."""
        return need.custom is None or take_custom(self.custom(number), need.custom) is not None

    def ports(self, number: int) -> Ports:
        """The free ports of an agent; none where it is not offered."""
        known = self._ports.get(number)
        if known is None:
            has = self._given(number)
            known = self._ports[number] = Ports(has.ports if has else PortRanges())
        return known

    def custom(self, number: int) -> Resources:
        """The custom resources that an agent has left."""
        known = self._custom.get(number)
        if known is None:
            has = self._given(number) or Resources()
            known = self._custom[number] = Resources(scalars=has.scalars, sets=has.sets)
        return known

    def _given(self, number: int) -> Resources | None:
        agent = self.cluster.agents[number]
        return self._free.get(agent.id, agent.free)

    def is_known(self, number: int) -> bool:
        """Whether the free resources of an agent are known: it is offered, or the master has reported them."""
        return self._given(number) is not None

    # ---- order ----------------------------------------------------------------

    def most_free(self, bits: int) -> int:
        """The agents among these with the largest free share. Where some are not at hand: those at hand with nearly
        as much, as a little more is worth no wait."""
        steps, near = self._by_share(), bits & self.at_hand
        if near and near != bits and steps.highest(near) + WORTH_A_WAIT_STEPS > steps.highest(bits):
            return steps.first(near, rising=False)
        return steps.first(bits, rising=False)

    def at_hand_first(self, bits: int) -> int:
        """The agents among these that are at hand, or all where none is."""
        return bits & self.at_hand or bits

    def packed(self, bits: int, need: Need) -> int:
        """The agents among these on which a task is packed: of the open ones those that have most of what the need is
        mostly of and least of the rest; where none is open, the fullest."""
        is_open = bits & self._open
        if not is_open:
            return self._by_share().first(bits, rising=True)
        return self._by_tilt().first(is_open, rising=self._is_mostly_mem(need))

    def open(self, requests: Iterable[Request]) -> None:
        """Opens so many agents, the fullest first, that what is to be packed could just fit.

        Tasks put evenly on as few agents as may do leave less stranded than agents filled one after the other: of
        those some end without cpus but with memory that nobody can use, and others the other way round.
        """
        packed = [request for request in requests if request.rules.strategy is Strategy.PACK]
        missing = [0] * len(self.amounts)
        for request in packed:
            for place, amount in enumerate(amounts(request.resources)):
                missing[place] += amount * len(request.slots)
        for members in self._by_share().bits if packed else ():
            for number in numbers_in(members):
                if max(missing) <= 0:
                    return
                self._open |= 1 << number
                for place, column in enumerate(self.amounts):
                    missing[place] -= max(column[number], 0)

    def open_up(self, number: int) -> None:
        """Opens an agent to which something was packed."""
        self._open |= 1 << number

    def free_share(self, number: int) -> float:
        """The scarcer of cpus and memory that an agent has free, as a share of all that it has, 0 to 1."""
        return min(self._share(0, number), self._share(1, number))

    def _share(self, dimension: int, number: int) -> float:
        return min(max(self.amounts[dimension][number] * self._units[dimension][number], 0.0), 1.0)

    @cached_property
    def _units(self) -> tuple[list[float], list[float]]:
        """One unit of cpus and of memory as a share of the agent's total; of what is free where the total is
        unknown."""
        untold = [number for number in self.cluster.untold if self.offered >> number & 1]
        if not untold:
            return self.cluster.units
        cpus, mem = (list(units) for units in self.cluster.units)
        for number in untold:
            cpus[number] = 1.0 / max(self.amounts[0][number], 1)
            mem[number] = 1.0 / max(self.amounts[1][number], 1)
        return cpus, mem

    def _is_mostly_mem(self, need: Need) -> bool:
        """Whether the need is a larger share of all memory than of all cpus."""
        cpus, mem = self.cluster.all_of
        return need.amounts[1] * cpus > need.amounts[0] * mem

    def _by_share(self) -> Steps:
        """The offered agents by their free share."""
        if self._shares is None:
            self._shares = Steps(self.offered, self.size, lambda free, number: free.free_share(number), self)
        return self._shares

    def _by_tilt(self) -> Steps:
        """The offered agents by how much larger their free share of cpus is than that of memory."""
        if self._tilts is None:
            self._tilts = Steps(
                self.offered,
                self.size,
                lambda free, number: (1.0 + free._share(0, number) - free._share(1, number)) / 2,
                self,
            )
        return self._tilts

    # ---- taking ---------------------------------------------------------------

    def take(self, number: int, need: Need, seed: int) -> tuple[tuple[int, ...], Resources]:
        """Takes a need that fits; returns the host ports, in the order of the request's, and all that was taken."""
        for column, amount in zip(self.amounts, need.amounts, strict=True):
            column[number] -= amount
        self._log.append(number)
        for steps in (self._shares, self._tilts):
            if steps is not None:
                steps.move(number, self)
        host_ports = self._take_ports(number, need.host_ports, seed) if need.host_ports else ()
        cpus_milli, mem_mib, disk_mib, gpus = need.amounts
        taken = Resources(
            cpus_milli=cpus_milli,
            mem_mib=mem_mib,
            disk_mib=disk_mib,
            gpus=gpus,
            ports=PortRanges.single(host_ports) if host_ports else _NO_PORTS,
        )
        if need.custom is not None:
            custom = take_custom(self.custom(number), need.custom)
            assert custom is not None, "what is taken was found to fit"
            self._custom[number] = self.custom(number) - custom
            taken = replace(taken, scalars=custom.scalars, sets=custom.sets)
        return host_ports, taken

    def _take_ports(self, number: int, wanted: Sequence[int | None], seed: int) -> tuple[int, ...]:
        """Fixed ports first. The seed picks among the rest, so that one just given back is not the next to be taken."""
        ports = self.ports(number)
        for port in wanted:
            if port is not None:
                ports.take(port)
        taken = []
        for port in wanted:
            if port is None:
                port = ports.nth(seed * _SPREAD_BY % ports.count)
                ports.take(port)
            taken.append(port)
        return tuple(taken)

    # ---- for refusals ---------------------------------------------------------

    def best(self, dimension: int, among: int) -> int:
        """The most that any of these agents has left of a dimension."""
        threshold, upto = self._thresholds.get(dimension) or (Threshold(self.amounts[dimension]), len(self._log))
        column = self.amounts[dimension]
        changed = bits_of(dict.fromkeys(self._log[upto:]), self.size) & among
        most = max((column[number] for number in numbers_in(changed)), default=0)
        rest = among & ~changed
        if rest:
            for number in threshold.order:
                if rest >> number & 1:
                    return max(most, column[number], 0)
        return max(most, 0)


_NO_PORTS = PortRanges()
