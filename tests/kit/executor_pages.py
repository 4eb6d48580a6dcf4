"""A snapshot of an executor with two tasks, and its own figures, for the pages of metrics."""

from __future__ import annotations

from executor.core.context import End
from executor.core.survey import Survey, TaskSnapshot
from executor.core.task import Phase
from executor.metrics.measurement import Measurement
from executor.metrics.snapshot import Measured, Own, Snapshot
from specs.ids import group_id
from specs.states import TaskState
from tests.kit.executor_talk import order

WEB = TaskSnapshot(
    order=order("shop.web.dev.2.17", group=group_id("shop", "web", ["dev"]), slot=2, attempt=3),
    phase=Phase.RUNNING,
    container_id="c1",
    pid=0,
    started_at=1000.5,
    is_healthy=True,
    is_ready=None,
)


PULLS = TaskSnapshot(
    order=order("shop.job.1.18"),
    phase=Phase.PULLING,
    container_id="",
    pid=0,
    started_at=None,
    is_healthy=None,
    is_ready=None,
)


USAGE = Measurement(
    at=5.0, cpu_seconds=2.5, mem_bytes=1000, mem_limit_bytes=2000, net_rx_bytes=1, net_tx_bytes=2, oom_kills=1
)


OWN = Own(
    executor="executor-1",
    agent="S1",
    hostname="agent1",
    version="0.1.0",
    cpu_seconds=0.5,
    mem_bytes=40_000_000,
    threads=12,
    started_at=900.0,
)


def snapshot(*measured: Measured) -> Snapshot:
    ends = ((End(WEB.order.group, TaskState.FAILED, True), 2),)
    return Snapshot(
        at=1200.25, seconds=0.05, survey=Survey(tasks=(WEB, PULLS), unacknowledged=1, ends=ends), tasks=measured
    )
