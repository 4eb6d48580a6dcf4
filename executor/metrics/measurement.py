"""The measurement of a task, and the comparison of two. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One measurement of a container or process. Counters are since its start."""

    #: Seconds on a clock that never goes back.
    at: float
    #: Seconds of processor time.
    cpu_seconds: float
    #: Memory in use, without files that the kernel frees when it needs memory.
    mem_bytes: int
    #: Limits, None without one.
    cpus_limit: float | None = None
    mem_limit_bytes: int | None = None
    #: Network counters, None without a network of its own.
    net_rx_bytes: int | None = None
    net_tx_bytes: int | None = None
    block_read_bytes: int = 0
    block_write_bytes: int = 0
    oom_kills: int = 0


def cpus(before: Measurement | None, now: Measurement) -> float | None:
    """The cores used between the two measurements; None for the first one."""
    if before is None or now.at <= before.at:
        return None
    return round((now.cpu_seconds - before.cpu_seconds) / (now.at - before.at), 4)


def never_falling(before: Measurement | None, now: Measurement) -> Measurement:
    """`now` with no counter below that before: when a process below the task ends, its part is lost."""
    if before is None:
        return now
    return replace(
        now,
        cpu_seconds=max(before.cpu_seconds, now.cpu_seconds),
        block_read_bytes=max(before.block_read_bytes, now.block_read_bytes),
        block_write_bytes=max(before.block_write_bytes, now.block_write_bytes),
    )
