"""What the kernel tells of processes, and the network of one. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One line of /proc/PID/stat. `cpu_ticks` has those of its children that have ended, `mem_pages` what it holds."""

    session: int
    cpu_ticks: int
    mem_pages: int


def process_of(stat: str) -> Process:
    """Raises ValueError, or IndexError, where this is no line of /proc/PID/stat."""
    # The program's name may have spaces and brackets of its own; it ends at the last one.
    fields = stat[stat.rindex(")") + 2 :].split()
    return Process(session=int(fields[3]), cpu_ticks=sum(map(int, fields[11:15])), mem_pages=int(fields[21]))


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


def by_session(processes: Iterable[Process]) -> dict[int, Process]:
    """The sums of all processes of a session."""
    sums: dict[int, Process] = {}
    for one in processes:
        so_far = sums.get(one.session)
        sums[one.session] = (
            one
            if so_far is None
            else Process(
                session=one.session,
                cpu_ticks=so_far.cpu_ticks + one.cpu_ticks,
                mem_pages=so_far.mem_pages + one.mem_pages,
            )
        )
    return sums
