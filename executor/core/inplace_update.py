"""In-place updates: new in-place settings (specs.model.in_place) or a signal for tasks whose containers run on."""

from __future__ import annotations

from dataclasses import replace

from executor.core import check_schedule
from executor.core import commands as do
from executor.core import events as on
from executor.core.context import Context
from executor.core.task import Phase, Task
from specs.ids import VersionId, is_same_container
from specs.model.in_place import InPlaceSettings, in_place_settings, with_settings
from specs.states import TaskState


def apply(context: Context, task: Task, event: on.UpdateInPlaceReceived) -> None:
    """Gives a task the settings and the signal that it lacks, and reports what it has. A task that is being stopped
    keeps its settings. One that does not run yet starts with the new ones and reports them then; it gets no signal,
    because its program might not handle it yet."""
    if task.verdict is not None or not is_same_container(task.order.version, event.version):
        return
    _replace_settings(context, task, event.version, event.settings)
    if task.phase is not Phase.RUNNING:
        return
    if event.signal and task.order.signals < event.signals:
        context.emit(do.Signal(order=task.order, signal=event.signal))
    task.order = replace(task.order, signals=event.signals)
    context.report(task, TaskState.RUNNING, f"has the settings of version {event.version}")


def signal_failed(context: Context, task: Task, message: str, is_temporary: bool) -> None:
    """Reports a signal that failed. If the engine was away, the scheduler repeats the request."""
    if task.phase is not Phase.RUNNING or task.verdict is not None:
        return
    if is_temporary and task.order.signals:
        task.order = replace(task.order, signals=task.order.signals - 1)
    context.report(task, TaskState.RUNNING, message)


def _replace_settings(context: Context, task: Task, version: VersionId, settings: InPlaceSettings) -> None:
    order, before = task.order, in_place_settings(task.order.container)
    task.order = replace(order, version=version, container=with_settings(order.container, settings))
    if task.phase is Phase.RUNNING:
        check_schedule.replace_checks(context, task, before)
