"""What a task uses: one measurement, and what two of them say. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One measurement of a container or process, at `at` seconds on a clock that never goes back.

    Counters are since its start. `mem_bytes` leaves out what the kernel gives back when it is short of memory: files
    that it holds and nobody uses. Limits are None where there are none; the counters of the network are None where it
    has none of its own.
    """

    at: float
    cpu_seconds: float
    mem_bytes: int
    cpus_limit: float | None = None
    mem_limit_bytes: int | None = None
    net_rx_bytes: int | None = None
    net_tx_bytes: int | None = None
    block_read_bytes: int = 0
    block_write_bytes: int = 0
    oom_kills: int = 0


def cpus(before: Measurement | None, now: Measurement) -> float | None:
    """How many cores it used between the two, None where that cannot be said yet."""
    if before is None or now.at <= before.at:
        return None
    return round((now.cpu_seconds - before.cpu_seconds) / (now.at - before.at), 4)


def never_falling(before: Measurement | None, now: Measurement) -> Measurement:
    """`now` with no counter below what it was: of processes that come and go a part is lost when one ends."""
    if before is None:
        return now
    return replace(
        now,
        cpu_seconds=max(before.cpu_seconds, now.cpu_seconds),
        block_read_bytes=max(before.block_read_bytes, now.block_read_bytes),
        block_write_bytes=max(before.block_write_bytes, now.block_write_bytes),
    )
