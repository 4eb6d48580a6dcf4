"""The engine's own statistics of a container: GET /containers/ID/stats. Pure."""

from __future__ import annotations

from typing import Any

from executor.metrics.measurement import Measurement


def usage_of_stats(stats: dict[str, Any], at: float) -> Measurement:
    """The usage in one answer, whose fields differ between versions of control groups.

    Raises KeyError where the container does not run: then there are none.
    """
    memory, cpu = stats["memory_stats"], stats["cpu_stats"]["cpu_usage"]
    details = memory.get("stats") or {}
    idle = details.get("total_inactive_file", details.get("inactive_file", 0))
    networks = stats.get("networks")
    return Measurement(
        at=at,
        cpu_seconds=cpu["total_usage"] / 1e9,
        mem_bytes=max(memory["usage"] - idle, 0),
        mem_limit_bytes=memory.get("limit"),
        net_rx_bytes=None if networks is None else sum(each["rx_bytes"] for each in networks.values()),
        net_tx_bytes=None if networks is None else sum(each["tx_bytes"] for each in networks.values()),
        block_read_bytes=_blocks(stats, "read"),
        block_write_bytes=_blocks(stats, "write"),
    )


def _blocks(stats: dict[str, Any], what: str) -> int:
    rows = (stats.get("blkio_stats") or {}).get("io_service_bytes_recursive") or ()
    return sum(row["value"] for row in rows if row["op"].lower() == what)
