"""Requests the usage of tasks from executors at intervals, and sends it to the core, for groups scaled by their load.

Without such groups no executor gets a request. Tasks without an answer are missing in the event.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping

from framework.core.events import UsageMeasured
from framework.core.model import Task, TaskUsage
from framework.core.views import GroupView, View
from framework.core.volatile import Connection
from framework.ports import Post
from framework.usage import Executor, Figures, Usage
from specs.ids import TaskId
from specs.model.autoscale import Autoscale

LEAST_SECONDS, MOST_SECONDS = 1.0, 30.0
"""Limits on the interval, in seconds. At a longer one a group would seem to report nothing."""
_MIB = 1 << 20


class Collector:
    """A thread that looks at the newest view every `seconds`, within the limits; `view` returns it."""

    def __init__(self, view: Callable[[], View], usage: Usage, post: Post, *, seconds: float = 10.0) -> None:
        self._view = view
        self._usage = usage
        self._post = post
        self._seconds = min(max(seconds, LEAST_SECONDS), MOST_SECONDS)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="collector", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def close(self) -> None:
        """Ends the thread; does not wait for an answer under way."""
        self._is_over.set()

    def look(self) -> None:
        """Requests usage once, if there is a group that needs it and this scheduler is subscribed."""
        view = self._view()
        groups = scaled_groups(view) if view.connection is Connection.SUBSCRIBED else ()
        if not groups:
            return
        asked = dict.fromkeys(executor_of(task) for group in groups for task in _telling(group))
        pulled = self._usage.pull(tuple(asked))
        self._post(UsageMeasured(tasks=tuple(_usages(groups, pulled.figures))))

    def _run(self) -> None:
        while not self._is_over.wait(self._seconds):
            self.look()


def scaled_groups(view: View) -> tuple[GroupView, ...]:
    """The groups that are scaled by their load now."""
    groups = (group for stack in view.stacks.values() if not stack.spec.is_removed for group in stack.groups)
    return tuple(group for group in groups if group.spec.autoscale is not None and not group.spec.is_stopped)


def executor_of(task: Task) -> Executor:
    """The executor that measures the task."""
    return task.agent_id, task.executor_id


def _telling(group: GroupView) -> Iterator[Task]:
    return (task for task in group.tasks if task.is_ready)


def _usages(groups: tuple[GroupView, ...], figures: Mapping[TaskId, Figures]) -> Iterator[TaskUsage]:
    for group in groups:
        bounds = group.spec.autoscale
        for task in _telling(group) if bounds else ():
            if bounds and (told := figures.get(task.id)):
                yield _usage(told, bounds)


def _usage(told: Figures, bounds: Autoscale) -> TaskUsage:
    """Only the figures by which the group is scaled: the event goes into the flight recorder."""
    metrics = ((each.name, told.metrics[each.name]) for each in bounds.metrics if each.name in told.metrics)
    return TaskUsage(
        task_id=told.task,
        cpus_milli=round(told.cpus * 1000) if bounds.cpu_percent and told.cpus is not None else None,
        mem_mib=told.mem_bytes // _MIB if bounds.memory_percent and told.mem_bytes is not None else None,
        metrics=tuple(metrics),
    )
