"""Groups, stacks and tasks of a view, found by the names that requests give them."""

from __future__ import annotations

from collections.abc import Iterator

from framework.api.errors import Problem
from framework.core.model import Task
from framework.core.views import GroupView, StackView, View


def groups_of(view: View, pattern: str = "") -> Iterator[GroupView]:
    """The groups that match the pattern, all where it is empty, in the order of their ids."""
    for name in sorted(view.stacks):
        for group in view.stacks[name].groups:
            if not pattern or group.spec.id.matches(pattern):
                yield group


def stack_or_problem(view: View, name: str) -> StackView:
    """The stack; raises Problem where there is none."""
    found = view.stacks.get(name)
    if found is None:
        raise Problem(404, f"There is no stack {name[:80]}. GET /v1/stacks (framework ls) lists what there is.")
    return found


def task_or_problem(view: View, task_id: str) -> tuple[GroupView, Task]:
    """The task with this id, or with this number at the end of its id, and its group; be it live or ended. Raises
    Problem where there is none."""
    stack = view.stacks.get(task_id.partition(".")[0])
    groups = tuple(groups_of(view)) if task_id.isdecimal() else stack.groups if stack else ()
    for group in groups:
        for task in (*group.tasks, *group.ended):
            if task_id in (task.id, task.id.rpartition(".")[2]):
                return group, task
    raise Problem(
        404,
        f"There is no task {task_id[:200]}, and none that ended lately. `framework ps -a` lists what there is.",
    )
