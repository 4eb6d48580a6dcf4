"""Exact resource arithmetic: cpus in thousandths, memory and disk in MiB, gpus and ports counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PortRanges:
    """A set of ports as ascending, disjoint, inclusive ranges that do not touch one another."""

    ranges: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, ranges: Iterable[tuple[int, int]]) -> PortRanges:
        """The union of any inclusive ranges (first, last)."""
        merged: list[tuple[int, int]] = []
        for first, last in sorted(ranges):
            if first > last:
                continue
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
            else:
                merged.append((first, last))
        return cls(tuple(merged))

    @classmethod
    def single(cls, ports: Iterable[int]) -> PortRanges:
        """The set of the given ports."""
        return cls.of((port, port) for port in ports)

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self.ranges)

    def __iter__(self) -> Iterator[int]:
        for first, last in self.ranges:
            yield from range(first, last + 1)

    def __contains__(self, port: object) -> bool:
        return isinstance(port, int) and any(first <= port <= last for first, last in self.ranges)

    def __or__(self, other: PortRanges) -> PortRanges:
        return PortRanges.of((*self.ranges, *other.ranges))

    def __sub__(self, other: PortRanges) -> PortRanges:
        kept = list(self.ranges)
        for low, high in other.ranges:
            cut: list[tuple[int, int]] = []
            for first, last in kept:
                if high < first or last < low:
                    cut.append((first, last))
                    continue
                if first < low:
                    cut.append((first, low - 1))
                if high < last:
                    cut.append((high + 1, last))
            kept = cut
        return PortRanges(tuple(kept))

    def __str__(self) -> str:
        return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in self.ranges) or "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """An amount of each resource. Ports are here as the very ports; requests for any port are made elsewhere.

    `scalars` are Mesos's custom ones, (name, thousandths) pairs, and `sets` its sets, (name, items) pairs; both sorted
    by name, without empty ones, items sorted. A request for a scalar whose name is a set on an agent means so many of
    its items.
    """

    cpus_milli: int = 0
    mem_mib: int = 0
    disk_mib: int = 0
    gpus: int = 0
    ports: PortRanges = PortRanges()
    scalars: tuple[tuple[str, int], ...] = ()
    sets: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def __add__(self, other: Resources) -> Resources:
        return Resources(
            cpus_milli=self.cpus_milli + other.cpus_milli,
            mem_mib=self.mem_mib + other.mem_mib,
            disk_mib=self.disk_mib + other.disk_mib,
            gpus=self.gpus + other.gpus,
            ports=self.ports | other.ports,
            scalars=_added(self.scalars, other.scalars, 1),
            sets=_joined(self.sets, other.sets),
        )

    def __sub__(self, other: Resources) -> Resources:
        """The rest; raises ValueError where more is taken than there is."""
        if not self.covers(other):
            raise ValueError(f"wanted {other}, got {self}: more is taken than there is")
        return Resources(
            cpus_milli=self.cpus_milli - other.cpus_milli,
            mem_mib=self.mem_mib - other.mem_mib,
            disk_mib=self.disk_mib - other.disk_mib,
            gpus=self.gpus - other.gpus,
            ports=self.ports - other.ports,
            scalars=_added(self.scalars, other.scalars, -1),
            sets=_without(self.sets, other.sets),
        )

    def covers(self, other: Resources) -> bool:
        """Whether `other` can be taken from this."""
        scalars, sets = dict(self.scalars), dict(self.sets)
        return (
            self.cpus_milli >= other.cpus_milli
            and self.mem_mib >= other.mem_mib
            and self.disk_mib >= other.disk_mib
            and self.gpus >= other.gpus
            and len(other.ports - self.ports) == 0
            and all(scalars.get(name, 0) >= amount for name, amount in other.scalars)
            and all(set(items) <= set(sets.get(name, ())) for name, items in other.sets)
        )

    def __str__(self) -> str:
        parts = [f"cpus {format_cpus(self.cpus_milli)}", f"mem {self.mem_mib} MiB"]
        parts += [f"disk {self.disk_mib} MiB"] if self.disk_mib else []
        parts += [f"gpus {self.gpus}"] if self.gpus else []
        parts += [f"ports {self.ports}"] if self.ports.ranges else []
        parts += [f"{name} {format_cpus(amount)}" for name, amount in self.scalars]
        parts += [f"{name} {{{','.join(items)}}}" for name, items in self.sets]
        return ", ".join(parts)


Scalars = tuple[tuple[str, int], ...]
Sets = tuple[tuple[str, tuple[str, ...]], ...]


def _added(left: Scalars, right: Scalars, sign: int) -> Scalars:
    if not right:
        return left
    amounts = dict(left)
    for name, amount in right:
        amounts[name] = amounts.get(name, 0) + sign * amount
    return tuple(sorted((name, amount) for name, amount in amounts.items() if amount))


def _joined(left: Sets, right: Sets) -> Sets:
    if not right:
        return left
    items = {name: set(members) for name, members in left}
    for name, members in right:
        items.setdefault(name, set()).update(members)
    return tuple((name, tuple(sorted(items[name]))) for name in sorted(items) if items[name])


def _without(left: Sets, right: Sets) -> Sets:
    if not right:
        return left
    gone = {name: set(members) for name, members in right}
    kept = ((name, tuple(item for item in members if item not in gone.get(name, ()))) for name, members in left)
    return tuple((name, members) for name, members in kept if members)


def format_cpus(cpus_milli: int) -> str:
    """Thousandths of a cpu as people write them: 500 -> "0.5"."""
    return f"{cpus_milli / 1000:.3f}".rstrip("0").rstrip(".")


def format_size_mib(mib: int) -> str:
    """MiB as people write them: 1536 -> "1536M", 2048 -> "2G"."""
    for unit, size in (("T", 1 << 20), ("G", 1 << 10)):
        if mib and mib % size == 0:
            return f"{mib // size}{unit}"
    return f"{mib}M"
