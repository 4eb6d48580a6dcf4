"""Snapshots of all tasks, from which the executor's metrics are made. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from executor.core.context import Context, End
from executor.core.order import Order
from executor.core.task import Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSnapshot:
    """A task at one moment."""

    order: Order
    phase: Phase
    container_id: str
    #: The process id of a plain process, else 0.
    pid: int
    #: Seconds since 1970, None before it runs.
    started_at: float | None
    #: None without a check, or before its first outcome; so is `is_ready`.
    is_healthy: bool | None
    is_ready: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """All tasks at one moment."""

    tasks: tuple[TaskSnapshot, ...] = ()
    #: Number of tasks with an unacknowledged status.
    unacknowledged: int = 0
    #: Number of tasks that have ended in each way since the executor began.
    ends: tuple[tuple[End, int], ...] = ()


@dataclass(frozen=True, slots=True)
class SurveyRequested:
    """A request for a survey. `answer` is called in the loop's thread and must not block."""

    answer: Callable[[Survey], None]


def survey(context: Context) -> Survey:
    """The survey of this moment."""
    epoch = context.settings.epoch
    return Survey(
        tasks=tuple(
            TaskSnapshot(
                order=task.order,
                phase=task.phase,
                container_id=task.container_id,
                pid=task.pid,
                started_at=None if task.started_at is None else epoch + task.started_at,
                is_healthy=task.health.is_healthy if task.health is not None else None,
                is_ready=task.reported_ready,
            )
            for task in context.tasks.values()
        ),
        unacknowledged=len(context.outbox),
        ends=tuple(context.ends.items()),
    )
