"""What is left on each agent while requests are placed, kept so that one placement costs the same on 10 agents and on
10,000."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from placement.bits import bits_of, numbers_in
from placement.cluster import UNKNOWN, amounts, take_custom
from placement.request import Request
from placement.situation import Situation
from placement.thresholds import Threshold
from specs.constraints import Strategy
from specs.resources import PortRanges, Resources

SHARES = 64
"""Agents are told apart by their free share in so many steps."""
_SPREAD_BY = 7919


@dataclass(frozen=True, slots=True)
class Need:
    """What one slot takes of an agent."""

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


class Ports:
    """The free ports of an agent."""

    def __init__(self, ranges: PortRanges) -> None:
        self._ranges = [[first, last] for first, last in ranges.ranges]
        self.count = len(ranges)

    def copy(self) -> Ports:
        """The same ports, to try something with."""
        other = Ports.__new__(Ports)
        other._ranges, other.count = [list(each) for each in self._ranges], self.count
        return other

    def has(self, port: int) -> bool:
        """Whether the port is free."""
        return any(first <= port <= last for first, last in self._ranges)

    def take(self, port: int) -> None:
        """Takes a port that is free."""
        for place, (first, last) in enumerate(self._ranges):
            if first <= port <= last:
                rest = [[first, port - 1]] if first < port else []
                rest += [[port + 1, last]] if port < last else []
                self._ranges[place : place + 1] = rest
                self.count -= 1
                return
        raise ValueError(f"wanted port {port}, which is not free")

    def nth(self, index: int) -> int:
        """The port with that place among the free ones, from 0."""
        for first, last in self._ranges:
            if index <= last - first:
                return first + index
            index -= last - first + 1
        raise ValueError(f"wanted port number {index}: there are fewer")


class Room:
    """Free amounts by agent, lessened by each `take`. What was computed is brought up to date by the log of takes."""

    def __init__(self, situation: Situation) -> None:
        cluster = situation.cluster
        self.cluster = cluster
        self.size = cluster.size
        self._room = situation.room
        self.free = tuple(list(amounts_of) for amounts_of in cluster.believed_free)
        overhead = amounts(situation.overhead.resources)
        present = situation.overhead.present
        offered = []
        for id, has in situation.room.items():
            number = cluster.index.get(id)
            if number is None:
                continue
            offered.append(number)
            pays = id not in present
            for column, amount, extra in zip(self.free, amounts(has), overhead, strict=True):
                column[number] = amount - extra if pays else amount
        self.offered = bits_of(offered, self.size)
        self._ports: dict[int, Ports] = {}
        self._custom: dict[int, Resources] = {}
        self._log: list[int] = []
        self._thresholds: dict[int, tuple[Threshold, int]] = {}
        self._fitting: dict[tuple[int, int], tuple[int, int]] = {}
        self._shares: list[int] | None = None
        self._share_of: list[int] = []
        self._units: tuple[list[float], list[float]] = ([], [])

    def copy(self) -> Room:
        """The same room, to try something in."""
        other = Room.__new__(Room)
        other.cluster, other.size, other._room, other.offered = self.cluster, self.size, self._room, self.offered
        other.free = tuple(list(column) for column in self.free)
        other._ports = {number: ports.copy() for number, ports in self._ports.items()}
        other._custom = dict(self._custom)
        other._log = list(self._log)
        other._thresholds, other._fitting = dict(self._thresholds), dict(self._fitting)
        other._shares = None if self._shares is None else list(self._shares)
        other._share_of, other._units = list(self._share_of), self._units
        return other

    # ---- what fits -----------------------------------------------------------

    def fitting(self, dimension: int, amount: int) -> int:
        """The agents that have so much of a dimension left; of those not offered, what is believed of them."""
        if amount <= 0:
            return self.cluster.everybody
        known = self._fitting.get((dimension, amount))
        if known is None:
            if dimension not in self._thresholds:
                self._thresholds[dimension] = (Threshold(self.free[dimension]), len(self._log))
            threshold, upto = self._thresholds[dimension]
            known = (threshold.at_least(amount), upto)
        found, upto = known
        if upto < len(self._log):
            column = self.free[dimension]
            short = [number for number in dict.fromkeys(self._log[upto:]) if column[number] < amount]
            if short:
                found &= ~bits_of(short, self.size)
        self._fitting[dimension, amount] = (found, len(self._log))
        return found

    def fits(self, number: int, need: Need) -> bool:
        """Whether one agent has room for one more."""
        for column, amount in zip(self.free, need.amounts, strict=True):
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
        """What an agent has left of custom resources."""
        known = self._custom.get(number)
        if known is None:
            has = self._given(number) or Resources()
            known = self._custom[number] = Resources(scalars=has.scalars, sets=has.sets)
        return known

    def _given(self, number: int) -> Resources | None:
        agent = self.cluster.agents[number]
        return self._room.get(agent.id, agent.free)

    def is_known(self, number: int) -> bool:
        """Whether it is known what an agent has free: it is offered, or the master has told."""
        return self._given(number) is not None

    # ---- order ----------------------------------------------------------------

    def by_room(self, bits: int, strategy: Strategy) -> int:
        """Those of the agents that have the largest free share, or the smallest where tasks are to be packed."""
        if self._shares is None:
            self._shares = self._divide()
        steps = range(SHARES - 1, -1, -1) if strategy is Strategy.SPREAD else range(SHARES)
        for step in steps:
            found = bits & self._shares[step]
            if found:
                return found
        return bits

    def free_share(self, number: int) -> float:
        """The scarcer of cpus and memory that an agent has free, as a share of all that it has, 0 to 1."""
        if not self._units[0]:
            self._measure()
        cpus, mem = self.free[0][number] * self._units[0][number], self.free[1][number] * self._units[1][number]
        return min(max(min(cpus, mem), 0.0), 1.0)

    def _measure(self) -> None:
        """What one unit of cpus and memory is of all that an agent has; of what it has free where that is not told."""
        for dimension in (0, 1):
            for number, agent in enumerate(self.cluster.agents):
                total = amounts(agent.total)[dimension] if agent.total else self.free[dimension][number]
                self._units[dimension].append(1.0 / total if 0 < total < UNKNOWN else 1.0)

    def _divide(self) -> list[int]:
        members: list[list[int]] = [[] for _ in range(SHARES)]
        self._share_of = [0] * self.size
        for number in numbers_in(self.offered):
            step = self._share_of[number] = int(self.free_share(number) * (SHARES - 1))
            members[step].append(number)
        return [bits_of(each, self.size) for each in members]

    # ---- taking ---------------------------------------------------------------

    def take(self, number: int, need: Need, seed: int) -> tuple[tuple[int, ...], Resources]:
        """Takes a need that fits; returns the host ports, in the order of the request's, and all that was taken."""
        for column, amount in zip(self.free, need.amounts, strict=True):
            column[number] -= amount
        self._log.append(number)
        if self._shares is not None:
            step = int(self.free_share(number) * (SHARES - 1))
            if step != self._share_of[number]:
                bit = 1 << number
                self._shares[self._share_of[number]] ^= bit
                self._shares[step] |= bit
                self._share_of[number] = step
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
        threshold, upto = self._thresholds.get(dimension) or (Threshold(self.free[dimension]), len(self._log))
        column = self.free[dimension]
        changed = bits_of(dict.fromkeys(self._log[upto:]), self.size) & among
        most = max((column[number] for number in numbers_in(changed)), default=0)
        rest = among & ~changed
        if rest:
            for number in threshold.order:
                if rest >> number & 1:
                    return max(most, column[number], 0)
        return max(most, 0)


_NO_PORTS = PortRanges()
