"""Another care for tasks that run (specs.model.in_place), or a signal, as the scheduler says: their containers stay."""

from __future__ import annotations

from dataclasses import replace

from executor.core import check_schedule
from executor.core import commands as do
from executor.core import events as on
from executor.core.context import Context
from executor.core.task import Phase, Task
from specs.ids import VersionId, is_same_make
from specs.model.in_place import Care, care_of, with_care
from specs.states import TaskState


def apply(context: Context, task: Task, event: on.ApplyReceived) -> None:
    """Gives a task what it lacks, and says what it has. What stops is let go as it is; what does not run yet begins
    with the care, and says so by itself then; a signal it does not get, as it might not be there to take it."""
    if task.verdict is not None or not is_same_make(task.order.version, event.version):
        return
    _care(context, task, event.version, event.care)
    if task.phase is not Phase.RUNNING:
        return
    if event.signal and task.order.signals < event.signals:
        context.emit(do.Signal(order=task.order, signal=event.signal))
    task.order = replace(task.order, signals=event.signals)
    context.report(task, TaskState.RUNNING, f"has the settings of version {event.version}")


def signal_failed(context: Context, task: Task, message: str, is_temporary: bool) -> None:
    """The engine has not passed a signal on; one that was away is asked again, when the scheduler says so again."""
    if task.phase is not Phase.RUNNING or task.verdict is not None:
        return
    if is_temporary and task.order.signals:
        task.order = replace(task.order, signals=task.order.signals - 1)
    context.report(task, TaskState.RUNNING, message)


def _care(context: Context, task: Task, version: VersionId, care: Care) -> None:
    order, before = task.order, care_of(task.order.container)
    task.order = replace(order, version=version, container=with_care(order.container, care))
    if task.phase is Phase.RUNNING:
        check_schedule.watch_otherwise(context, task, before)
