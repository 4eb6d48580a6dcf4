"""Changes of templates: a running task is notified as its settings say; a template that does not render is reported."""

from __future__ import annotations

from executor.core import commands as do
from executor.core import events as on
from executor.core.context import Context
from executor.core.task import Phase, Task
from specs.states import TaskState

_BEFORE = (Phase.ADOPTING, Phase.PULLING, Phase.CREATING, Phase.STARTING)


def rendered(context: Context, task: Task, event: on.TemplatesRendered) -> None:
    """Files of a task have changed, or a template does not render."""
    if task.phase in _BEFORE:
        # At its start it can read what the file was a moment ago.
        task.changed_templates |= dict.fromkeys(event.changed)
    elif task.phase is Phase.RUNNING:
        _notify(context, task, event.changed)
    _report_fault(context, task, event.fault)


def begin(context: Context, task: Task) -> None:
    """Notifies a task that begins to run of the files that have changed since they were first written."""
    changed, task.changed_templates = tuple(task.changed_templates), {}
    _notify(context, task, changed)


def notified(context: Context, task: Task, event: on.Notified) -> None:
    """Reports a notification that failed, each time."""
    if event.fault and task.phase is Phase.RUNNING:
        context.report(task, TaskState.RUNNING, event.fault)


def _notify(context: Context, task: Task, changed: tuple[int, ...]) -> None:
    """Each signal and each command once, however many files have changed."""
    templates = task.order.container.templates
    ways = dict.fromkeys((templates[index].signal, templates[index].command) for index in changed)
    for signal, command in ways:
        if signal or command:
            context.emit(do.Notify(order=task.order, signal=signal, command=command))


def _report_fault(context: Context, task: Task, fault: str) -> None:
    if fault == task.template_fault:
        return
    task.template_fault = fault
    if task.phase is Phase.RUNNING:
        context.report(task, TaskState.RUNNING, fault or "its templates are as they should be again")
