"""Tasks whose agent cannot be reached: when their slots get other tasks, and which one stays when they are back."""

from __future__ import annotations

from dataclasses import replace

from framework.core.model import Task
from framework.core.state.context import Context
from framework.core.state.lifecycle import Back, back
from framework.core.state.timers import Timer
from specs.ids import TaskId, is_same_container
from specs.model.stack import Keep
from specs.states import Goal


def replace_in_time(context: Context, task: Task) -> None:
    """Gives the slot of an unreachable task to another once the group's `replace_after` is over. Until then it sets the
    timer for the end of that wait."""
    spec = context.state.specs[task.group]
    due = task.state_since + spec.unreachable.replace_after_seconds
    if context.now < due:
        context.timers.set(Timer.UNREACHABLE, task.id, due)
        return
    if spec.unreachable.keep is Keep.REPLACEMENT:
        context.stop(task, f"agent {task.hostname} is unreachable: another task takes its slot")
        return
    context.put(replace(task, replaced_at=context.now))
    text = f"{task.id} is unreachable: another task takes its slot until it is back"
    context.publish_task("TaskReplaced", task, text)


def welcome(context: Context, task: Task) -> None:
    """A task can be reached again: decides whether it stays or its replacement does. `task` is in the state as Mesos
    reports it now."""
    context.timers.drop(Timer.UNREACHABLE, task.id)
    substitute = _substitute(context, task)
    has_lost_its_slot = bool(task.replaced_at)
    verdict = back(task.goal, task.state, is_replaced=has_lost_its_slot, is_desired=_is_desired(context, task))
    if has_lost_its_slot:
        task = replace(task, replaced_at=0.0)
        context.put(task)
    if verdict is Back.STOPS:
        if task.goal is Goal.STOP:
            context.kill(task)
        else:
            context.stop(task, "it is back, and its slot was given to another meanwhile")
    elif verdict is Back.TAKES_OVER and substitute is not None:
        context.stop(substitute, f"{task.id} is back, and stays")


def _substitute(context: Context, task: Task) -> Task | None:
    """The other task that holds the slot, if one does."""
    id: TaskId | None = context.state.group(task.group).holders.get(task.slot)
    return context.state.tasks[id] if id is not None and id != task.id else None


def _is_desired(context: Context, task: Task) -> bool:
    """Whether its slot is still wanted, the task is what the spec says, and the original shall stay."""
    spec = context.state.specs.get(task.group)
    if spec is None or task.slot not in context.state.group(task.group).wanted:
        return False
    is_current = is_same_container(task.version, spec.version) and task.generation >= spec.generation
    return is_current and spec.unreachable.keep is Keep.ORIGINAL
