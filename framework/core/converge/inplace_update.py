"""Telling executors what is new of tasks that run on: that they get another care (specs.model.in_place), or a signal.

What a task has is stored with it, what it shall have with its group's spec. While the two differ its executor is told,
and again after a while, as messages to executors may be lost, until a status says that the task has it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from framework.core.commands import UpdateInPlace
from framework.core.groups.completion import signal_of, signals_due
from framework.core.model import GroupSpec, Instant, Status, Task
from framework.core.state.cluster_state import ClusterState
from framework.core.state.context import Context, Informed
from framework.core.state.group_index import is_stale
from framework.core.views import Connection
from specs.ids import AgentId, ExecutorId, GroupId, TaskId, is_same_make
from specs.model.in_place import care_of
from specs.model.stack import Container
from specs.states import Health, Readiness, TaskState

TELL_AGAIN_SECONDS = 10.0


def tell(context: Context, group: GroupId, now: Instant) -> None:
    """Tells of all tasks of a group that lack something; not of those of which the same was told a moment ago."""
    if context.state.group(group).behind:
        _tell(context, group, list(context.state.group(group).behind), now)


def tell_of(context: Context, task: Task, now: Instant) -> None:
    """Tells of one task, if it lacks something."""
    if is_stale(task, context.state.specs.get(task.group)):
        _tell(context, task.group, (task.id,), now)


def tell_all(context: Context, now: Instant) -> None:
    """There is a new connection: nothing that was told before is known to have arrived."""
    context.informed.clear()
    for group in sorted(context.state.specs):
        tell(context, group, now)


def _tell(context: Context, group: GroupId, ids: Iterable[TaskId], now: Instant) -> None:
    state = context.state
    spec = state.specs.get(group)
    if spec is None or context.connection is not Connection.SUBSCRIBED:
        return
    due = signals_due(state, spec)
    told: dict[tuple[AgentId, ExecutorId], list[TaskId]] = {}
    for id in ids:
        task = state.tasks[id]
        lacks = task.version != spec.version or task.signals < due
        # Before an executor has spoken of a task it may not know it.
        if not lacks or task.state not in (TaskState.STARTING, TaskState.RUNNING):
            continue
        known = context.informed.get(id)
        if known is None or known.what != (spec.version, due) or now >= known.at + TELL_AGAIN_SECONDS:
            context.informed[id] = Informed(what=(spec.version, due), at=now)
            told.setdefault((task.agent_id, task.executor_id), []).append(id)
        context.wake_group("tell", group, context.informed[id].at + TELL_AGAIN_SECONDS)
    for (agent_id, executor_id), tasks in told.items():
        context.after_save(_apply(state, spec, due, agent_id, executor_id, tasks))


def _apply(
    state: ClusterState, spec: GroupSpec, due: int, agent_id: AgentId, executor_id: ExecutorId, tasks: list[TaskId]
) -> UpdateInPlace:
    return UpdateInPlace(
        agent_id=agent_id,
        executor_id=executor_id,
        tasks=tuple(tasks),
        version=spec.version,
        care=care_of(state.versions[spec.id.stack, spec.version].container),
        signals=due,
        signal=signal_of(spec),
    )


def heard(state: ClusterState, task: Task, status: Status) -> Task:
    """The task with what its executor says that it has by now; the same one where that is nothing new."""
    if task.state.is_terminal or status.state.is_terminal or not status.version:
        return task
    has = state.versions.get((task.group.stack, status.version))
    if has is None or not is_same_make(task.version, has.id):
        return task
    if (task.version, task.signals) == (has.id, status.signals):
        return task
    before = state.versions[task.group.stack, task.version]
    health, readiness = _watched(task, before.container, has.container)
    return replace(task, version=has.id, signals=status.signals, health=health, readiness=readiness)


def _watched(task: Task, before: Container, now: Container) -> tuple[Health, Readiness]:
    """What is known of a task once it is watched in another way: of a check that has changed nothing, before the status
    says what that has found."""
    health, readiness = task.health, task.readiness
    if before.health != now.health:
        health = Health.UNKNOWN if now.health is not None else Health.NONE
    if before.ready != now.ready:
        is_asked = now.ready is not None or bool(now.post_start)
        readiness = Readiness.UNKNOWN if is_asked else Readiness.NONE
    return health, readiness


def announce(context: Context, before: Task, task: Task) -> None:
    """Tells people of what a task has got."""
    if (task.version, task.signals) == (before.version, before.signals):
        return
    context.informed.pop(task.id, None)
    if task.version != before.version:
        context.publish_task(
            "TaskApplied", task, f"{task.id} has the settings of version {task.version}, applied in place"
        )
        context.collect_versions(task.group.stack, {before.version: None})
    spec = context.state.specs.get(task.group)
    if task.signals > before.signals and spec is not None and (signal := signal_of(spec)):
        context.publish_task("TaskSignalled", task, f"{task.id} got {signal}, as what it depends on was changed")
