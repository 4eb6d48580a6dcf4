"""The kernel's files about processes, and the network of one. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One line of /proc/PID/stat. `cpu_ticks` are its own, `ended_cpu_ticks` those of its children that have ended,
    `mem_pages` what it holds."""

    id: int
    parent: int
    cpu_ticks: int
    ended_cpu_ticks: int
    mem_pages: int


def process_of(stat: str) -> Process:
    """Raises ValueError, or IndexError, where this is no line of /proc/PID/stat."""
    # The program's name may have spaces and brackets of its own; it ends at the last one.
    fields = stat[stat.rindex(")") + 2 :].split()
    return Process(
        id=int(stat[: stat.index(" ")]),
        parent=int(fields[1]),
        cpu_ticks=int(fields[11]) + int(fields[12]),
        ended_cpu_ticks=int(fields[13]) + int(fields[14]),
        mem_pages=int(fields[21]),
    )


def blocks_of(io: str) -> tuple[int, int]:
    """Bytes read from disks and written to them, from /proc/PID/io."""
    found = {name: number for name, _, number in (line.partition(": ") for line in io.splitlines())}
    return int(found.get("read_bytes", 0)), int(found.get("write_bytes", 0))


def network_of(dev: str) -> tuple[int, int]:
    """Bytes received and sent over all interfaces but the loopback, from /proc/PID/net/dev."""
    received = sent = 0
    for line in dev.splitlines()[2:]:
        name, _, numbers = line.partition(":")
        fields = numbers.split()
        if name.strip() != "lo" and len(fields) > 8:
            received += int(fields[0])
            sent += int(fields[8])
    return received, sent


class Table:
    """All processes of a machine at one time."""

    def __init__(self, processes: Iterable[Process]) -> None:
        self._processes = {each.id: each for each in processes}
        self._children: dict[int, list[Process]] = {}
        for each in self._processes.values():
            self._children.setdefault(each.parent, []).append(each)

    def parent(self, id: int) -> int | None:
        """The number of its parent; None where there is no such process."""
        found = self._processes.get(id)
        return found.parent if found is not None else None

    def below(self, id: int) -> tuple[int, int] | None:
        """The processor time, in ticks, and the memory, in pages, of all that is and was below a process; None where
        there is nothing."""
        top = self._processes.get(id)
        if top is None or id not in self._children:
            return None
        found = list(self._children[id])
        for each in found:
            found += self._children.get(each.id, ())
        ticks = sum(each.cpu_ticks + each.ended_cpu_ticks for each in found)
        return top.ended_cpu_ticks + ticks, sum(each.mem_pages for each in found)
