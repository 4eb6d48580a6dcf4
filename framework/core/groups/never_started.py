"""Launches that never reached the executor. They do not count as failures of the task, as long as they are few.

Mesos reports them so: an agent drops a task that reaches an executor which is just ending (DROPPED, or LOST; reason
EXECUTOR_TERMINATED). An executor that ends before it has registered, does not register in time, or could not be fetched
fails all tasks that waited for it (FAILED; EXECUTOR_TERMINATED, EXECUTOR_REGISTRATION_TIMEOUT,
CONTAINER_LAUNCH_FAILED). Mesos reports the same of tasks that have run. But those have a status of our executor, which
names their sandbox.
"""

from __future__ import annotations

from framework.core.model import Task
from framework.core.state.context import Context
from specs.states import TaskState

MOST_NEVER_STARTED = 3
"""From this launch of a slot in a row that never started on, each counts as a failure of its group, and a back-off
begins: an agent, or an archive, with which no executor starts is not tried without a pause."""
BLAMED_FROM = 2
"""From this launch of a slot in a row that never started on, its agent is blamed, and others are preferred. A single
one says nothing of its agent."""
_REASONS = frozenset(
    {"REASON_EXECUTOR_TERMINATED", "REASON_CONTAINER_LAUNCH_FAILED", "REASON_EXECUTOR_REGISTRATION_TIMEOUT"}
)
_STATES = frozenset({TaskState.FAILED, TaskState.LOST, TaskState.DROPPED})


def has_never_started(task: Task) -> bool:
    """Whether the ended task never reached its executor."""
    return task.state in _STATES and task.reason in _REASONS and not (task.sandbox or task.running_since)


def exempt(context: Context, task: Task) -> bool:
    """Counts a launch that never started. Returns whether it is exempt, so that its group does not wait for it: the
    first ones of its slot in a row. Its agent may be blamed."""
    counts = context.never_started.setdefault(task.group, {})
    counts[task.slot] = counts.get(task.slot, 0) + 1
    if counts[task.slot] >= MOST_NEVER_STARTED:
        return False
    if counts[task.slot] >= BLAMED_FROM:
        context.blame(task)
    return True


def started(context: Context, task: Task) -> None:
    """A task of the slot has reached its executor: its count begins again at zero."""
    counts = context.never_started.get(task.group)
    if counts is not None and counts.pop(task.slot, None) is not None and not counts:
        del context.never_started[task.group]
