"""What the core tells of its tasks when it is asked: the ground of the executor's metrics. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from executor.core.context import Context, End
from executor.core.order import Order
from executor.core.task import Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSnapshot:
    """A task as it is now. It runs since `started_at`, in seconds since 1970; `pid` is a plain process's, else 0.

    `is_healthy` and `is_ready` are None where nothing checks that, or nothing is known yet.
    """

    order: Order
    phase: Phase
    container_id: str
    pid: int
    started_at: float | None
    is_healthy: bool | None
    is_ready: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """All tasks; of how many a status is unacknowledged; how many have ended in which way since the executor began."""

    tasks: tuple[TaskSnapshot, ...] = ()
    unacknowledged: int = 0
    ends: tuple[tuple[End, int], ...] = ()


@dataclass(frozen=True, slots=True)
class SurveyRequested:
    """Somebody wants to know; `answer` is called in the loop's thread, and must not block."""

    answer: Callable[[Survey], None]


def survey(context: Context) -> Survey:
    """As things stand."""
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
                is_ready=task.says_ready,
            )
            for task in context.tasks.values()
        ),
        unacknowledged=len(context.outbox),
        ends=tuple(context.ends.items()),
    )
