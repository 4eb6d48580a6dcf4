"""Launches that were lost on the way to their executor: nobody has seen the task, so nothing is known against it.

What Mesos says then: an agent drops a task that comes to an executor which is just ending (DROPPED, or LOST; reason
EXECUTOR_TERMINATED); an executor that ends before it has registered, does not register in time, or could not be fetched
fails all that waited for it (FAILED; EXECUTOR_TERMINATED, EXECUTOR_REGISTRATION_TIMEOUT, CONTAINER_LAUNCH_FAILED). The
same words are said of tasks that have run; but of those our executor has spoken, and what it says names their sandbox.
"""

from __future__ import annotations

from framework.core.model import Instant, Task
from framework.core.state.context import Context
from specs.states import TaskState

MOST_LOST = 3
"""So many launches of a slot one after the other may be lost; from then on each counts as a failure of its group, and a
back-off begins: an agent, or an archive, with which no executor starts is not tried without a pause."""
BLAMED_FROM = 2
"""One that is lost says nothing of its agent: from the second in a row on the agent is blamed, and others preferred."""
_REASONS = frozenset(
    {"REASON_EXECUTOR_TERMINATED", "REASON_CONTAINER_LAUNCH_FAILED", "REASON_EXECUTOR_REGISTRATION_TIMEOUT"}
)
_STATES = frozenset({TaskState.FAILED, TaskState.LOST, TaskState.DROPPED})


def is_lost(task: Task) -> bool:
    """Whether the ended task never came to its executor."""
    return task.state in _STATES and task.reason in _REASONS and not (task.sandbox or task.running_since)


def forgive(context: Context, task: Task, now: Instant) -> bool:
    """Whether a lost launch costs its group nothing: the first ones of its slot in a row. Its agent may be blamed."""
    counts = context.lost.setdefault(task.group, {})
    counts[task.slot] = counts.get(task.slot, 0) + 1
    if counts[task.slot] >= MOST_LOST:
        return False
    if counts[task.slot] >= BLAMED_FROM:
        context.blame(task, now)
    return True


def arrived(context: Context, task: Task) -> None:
    """A task of the slot came to its executor: those that are lost from now on are counted anew."""
    counts = context.lost.get(task.group)
    if counts is not None and counts.pop(task.slot, None) is not None and not counts:
        del context.lost[task.group]
