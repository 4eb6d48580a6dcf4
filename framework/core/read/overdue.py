"""Tasks that must be replaced and are still there: why, and the reason for the wait, in sentences for readers.

`framework ps`, `explain`, the pages and the API show them with the task. Every way in which core.rollout.updater,
core.groups.rollout_gate, core.rollout.rollouts and core.converge.unreachable can leave such a task where it is has a
sentence: a test walks them.
"""

from __future__ import annotations

from framework.core.model import GroupSpec, Task
from framework.core.rollout.rollouts import why_not, why_not_ready
from framework.core.rollout.updater import is_pinned, pace_now, why_replaced
from framework.core.state.context import Context
from framework.core.state.group_index import GroupIndex
from framework.core.state.placing import NO_OFFERS
from specs.ids import GroupId, TaskId
from specs.model.constraints import Mode
from specs.states import Goal, TaskState


def waits_of(context: Context, group: GroupId) -> dict[TaskId, str]:
    """The tasks of a group that must be replaced, each with the reason why it is still there; empty if all can stay."""
    index, spec = context.state.group(group), context.state.specs.get(group)
    if spec is None or spec.is_stopped:
        return {}
    due = dict.fromkeys(sorted({**index.draining, **index.outdated, **index.violating}))
    awaited = (index.stall or why_not(context, spec)) if due else ""
    waits: dict[TaskId, str] = {}
    for slot in due:
        task = context.state.tasks[index.holders[slot]] if slot in index.holders else None
        if task is not None and task.goal is Goal.RUN:
            waits[task.id] = _sentence(context, spec, index, task, awaited)
    for slot, id in index.holders.items():
        task = context.state.tasks[id]
        if task.state is TaskState.UNREACHABLE and slot not in due and spec.unreachable.replace_after_seconds:
            waits[id] = (
                f"is away, and its slot is kept for it for {spec.unreachable.replace_after_seconds:g} s (unreachable)"
            )
    return waits


def _sentence(context: Context, spec: GroupSpec, index: GroupIndex, task: Task, awaited: str) -> str:
    if is_pinned(spec) and task.slot not in index.outdated and task.slot not in index.violating:
        mode = "mode: global" if spec.mode is Mode.GLOBAL else "sticky: always"
        return f"stays on {task.hostname}, which is draining: its slot belongs to that agent ({mode})"
    cause = why_replaced(context, spec, task.slot).removeprefix("replaced ")
    coming = index.surge.get(task.slot)
    if coming is not None:
        awaited = _of_successor(context, spec, context.state.tasks[coming]) or awaited
    elif task.slot in index.replacements:
        awaited = context.placing.causes.get(spec.id, NO_OFFERS).text
    return f"waits to be replaced ({cause}): {awaited}"


def _of_successor(context: Context, spec: GroupSpec, coming: Task) -> str:
    """Why a surge task has not replaced the old one; "" if it has no reason of its own."""
    if not coming.is_ready:
        return why_not_ready(coming)
    is_watched = context.now < coming.ready_since + pace_now(context, spec).wait_seconds
    return f"{coming.id} is ready, and is watched for a while (wait)" if is_watched else ""
