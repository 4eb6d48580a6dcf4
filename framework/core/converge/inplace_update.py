"""In-place updates of tasks that keep running: new in-place settings (specs.model.in_place), or a signal.

A task is stored with the version and signals that it has; the spec of its group has the desired ones. While they differ
the task is stale, and its executor is sent the update. Messages to executors can get lost: the update is sent again
until a status confirms that the task has it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from framework.core.commands import UpdateInPlace
from framework.core.groups.completion import signal_of, signals_due
from framework.core.model import GroupSpec, Status, Task
from framework.core.state.cluster_state import ClusterState
from framework.core.state.context import Context, SentUpdate
from framework.core.state.group_index import is_stale
from framework.core.state.timers import Timer
from framework.core.volatile import Connection
from specs.ids import AgentId, ExecutorId, GroupId, TaskId, is_same_container
from specs.model.in_place import in_place_settings
from specs.model.stack import Container
from specs.states import Health, Readiness, TaskState

RESEND_SECONDS = 10.0
"""Pause before an update that no status has confirmed is sent again."""


def send_updates(context: Context, group: GroupId) -> None:
    """Sends updates for all stale tasks of a group, except where the same was sent a moment ago."""
    if context.state.group(group).stale:
        _send(context, group, list(context.state.group(group).stale))


def send_update(context: Context, task: Task) -> None:
    """Sends the update of one task, if it is stale."""
    if is_stale(task, context.state.specs.get(task.group)):
        _send(context, task.group, (task.id,))


def resend_all(context: Context) -> None:
    """Sends the updates of all stale tasks on a new connection: those sent before may not have arrived."""
    context.sent_updates.clear()
    for group in sorted(context.state.specs):
        send_updates(context, group)


def _send(context: Context, group: GroupId, ids: Iterable[TaskId]) -> None:
    state = context.state
    spec = state.specs.get(group)
    if spec is None or context.connection is not Connection.SUBSCRIBED:
        return
    due = signals_due(state, spec)
    stale: dict[tuple[AgentId, ExecutorId], list[TaskId]] = {}
    for id in ids:
        task = state.tasks[id]
        is_due = task.version != spec.version or task.signals < due
        # An executor that has sent no status of a task may not know the task.
        if not is_due or task.state not in (TaskState.STARTING, TaskState.RUNNING):
            continue
        known = context.sent_updates.get(id)
        if known is None or known.what != (spec.version, due) or context.now >= known.at + RESEND_SECONDS:
            context.sent_updates[id] = SentUpdate(what=(spec.version, due), at=context.now)
            stale.setdefault((task.agent_id, task.executor_id), []).append(id)
        context.wake_group(Timer.INPLACE_UPDATE, group, context.sent_updates[id].at + RESEND_SECONDS)
    for (agent_id, executor_id), tasks in stale.items():
        context.after_save(_apply(state, spec, due, agent_id, executor_id, tasks))


def _apply(
    state: ClusterState, spec: GroupSpec, due: int, agent_id: AgentId, executor_id: ExecutorId, tasks: list[TaskId]
) -> UpdateInPlace:
    return UpdateInPlace(
        agent_id=agent_id,
        executor_id=executor_id,
        tasks=tuple(tasks),
        version=spec.version,
        settings=in_place_settings(state.versions[spec.id.stack, spec.version].container),
        signals=due,
        signal=signal_of(spec),
    )


def with_confirmed(state: ClusterState, task: Task, status: Status) -> Task:
    """The task with the version and signals that its status confirms; the same object where nothing is new."""
    if task.state.is_terminal or status.state.is_terminal or not status.version:
        return task
    has = state.versions.get((task.group.stack, status.version))
    if has is None or not is_same_container(task.version, has.id):
        return task
    if (task.version, task.signals) == (has.id, status.signals):
        return task
    before = state.versions[task.group.stack, task.version]
    health, readiness = _checked(task, before.container, has.container)
    return replace(task, version=has.id, signals=status.signals, health=health, readiness=readiness)


def _checked(task: Task, before: Container, now: Container) -> tuple[Health, Readiness]:
    """The health and readiness of a task whose checks have changed: a changed check has no result, until a status
    brings one."""
    health, readiness = task.health, task.readiness
    if before.health != now.health:
        health = Health.UNKNOWN if now.health is not None else Health.NONE
    if before.ready != now.ready:
        has_check = now.ready is not None or bool(now.post_start)
        readiness = Readiness.UNKNOWN if has_check else Readiness.NONE
    return health, readiness


def publish_confirmed(context: Context, before: Task, task: Task) -> None:
    """Publishes an event for a version or signal that a status has just confirmed."""
    if (task.version, task.signals) == (before.version, before.signals):
        return
    context.sent_updates.pop(task.id, None)
    if task.version != before.version:
        context.publish_task(
            "TaskApplied", task, f"{task.id} has the settings of version {task.version}, applied in place"
        )
        context.collect_versions(task.group.stack, {before.version: None})
    spec = context.state.specs.get(task.group)
    if task.signals > before.signals and spec is not None and (signal := signal_of(spec)):
        context.publish_task("TaskSignalled", task, f"{task.id} got {signal}, as what it depends on was changed")
