"""Readiness: whether others are sent to a task. Its endpoint is published and withdrawn here."""

from __future__ import annotations

from executor.core import publishing
from executor.core.context import Context
from executor.core.task import Phase, Task


def review(context: Context, task: Task) -> None:
    """Reviews readiness; called after every change on which it depends."""
    is_ready = _is_ready(task)
    if is_ready and not task.is_ready:
        _became_ready(context, task)
    elif task.is_ready and not is_ready:
        _no_longer_ready(context, task)


def _is_ready(task: Task) -> bool:
    return (
        task.phase is Phase.RUNNING
        and task.verdict is None
        and task.is_prepared
        and all(judge is None or judge.lets_serve for judge in (task.health, task.readiness))
    )


def _became_ready(context: Context, task: Task) -> None:
    task.is_ready = True
    publishing.publish(context, task)


def _no_longer_ready(context: Context, task: Task) -> None:
    task.is_ready = False
    publishing.withdraw(context, task)
