"""The statuses of tasks: from Mesos's report to the stored task, and to everything that follows from it.

    StatusReceived
       |
       v
    receive --> kill_guard.holds_back: unknown task, or a mismatch? --yes--> acknowledged once stored, decided later
       |
       | no
       v
    accept  <-- kill_guard.decide, approve: the statuses that were held back and now count
       |
       |    lifecycle.transition: is it news?  --no--> acknowledged once the saves under way are stored
       |    with_confirmed, _moved, _proved, marked: the task after it
       v
    context.put, after_save(Acknowledge), events
       |
       +-- ended --> converge.end_task: failures, restart delay, the next task of the slot
       |
       +-- lives --> _go_on: back from unreachable, rollout, in-place updates, the slot

Nothing is acknowledged before it is stored: if we die between the two, Mesos sends the status again.
"""

from __future__ import annotations

from dataclasses import replace

from framework.core.commands import Acknowledge
from framework.core.converge import inplace_update, kill_guard
from framework.core.converge.converge import end_task, review_slot
from framework.core.converge.unreachable import welcome
from framework.core.groups.never_started import started
from framework.core.launch.adoption import marked
from framework.core.model import Instant, Status, Task
from framework.core.rollout.rollouts import count_rollout_failure, go_on
from framework.core.state.context import Context
from framework.core.state.lifecycle import StatusEffect, transition
from framework.core.state.timers import Timer
from specs.messages import shortened
from specs.states import Goal, Health, Readiness, TaskState

RECONCILED = "REASON_RECONCILIATION"
"""The reason of a status that answers a reconciliation."""
_KINDS = {
    TaskState.STARTING: ("TaskStarting", "is starting"),
    TaskState.RUNNING: ("TaskRunning", "runs"),
    TaskState.KILLING: ("TaskKilling", "is being stopped"),
    TaskState.UNREACHABLE: ("TaskUnreachable", "is unreachable"),
}


def receive(context: Context, status: Status) -> None:
    """Takes a status as Mesos sends it. It is acknowledged once its consequences are stored."""
    task = context.state.tasks.get(status.task_id)
    if kill_guard.holds_back(context, status, task):
        wait = context.after_fence if task is None and status.uuid else context.after_all_saves
        wait(*_acknowledgement(status))
        return
    accept(context, status)


def accept(context: Context, status: Status) -> None:
    """Takes a status that the kill guard has let pass, or has held back and released. Its task is in the state."""
    task = context.state.tasks.get(status.task_id)
    if task is None:
        return
    effect = transition(task.state, status.state)
    confirmed = inplace_update.with_confirmed(context.state, task, status)
    moved = _proved(task, _moved(confirmed, status, context.now), context.now) if effect is StatusEffect.MOVE else task
    if moved.state.is_terminal and moved is not task:
        moved = marked(context.state, moved)
    if moved == task:
        # Mesos may send it again because the save of the first time is still under way.
        context.after_all_saves(*_acknowledgement(status))
        return
    context.put(moved)
    context.after_save(*_acknowledgement(status))
    _announce(context, task, moved)
    inplace_update.publish_confirmed(context, task, moved)
    if moved.state.is_terminal:
        end_task(context, moved)
    else:
        _go_on(context, task, moved)


def _go_on(context: Context, task: Task, moved: Task) -> None:
    """Brings about what follows for a living task, which was `task` before the status and is `moved` now."""
    if moved.state not in (TaskState.INTENT, TaskState.STAGING):
        context.timers.drop(Timer.LAUNCH, moved.id)
        started(context, moved)
    if moved.state is TaskState.RUNNING:
        context.progress.pop(moved.id, None)
    if task.state is TaskState.UNREACHABLE:
        welcome(context, moved)
    if task.is_ready and not moved.is_ready and moved.goal is Goal.RUN and moved.state is TaskState.RUNNING:
        count_rollout_failure(context, task)
    review_slot(context, moved.group, moved.slot)
    go_on(context, moved.group)
    inplace_update.send_update(context, context.state.tasks[moved.id])


def _acknowledgement(status: Status) -> tuple[Acknowledge, ...]:
    if not status.uuid or status.agent_id is None:
        return ()
    return (Acknowledge(task_id=status.task_id, agent_id=status.agent_id, uuid=status.uuid),)


def _moved(task: Task, status: Status, now: Instant) -> Task:
    """The task after the status; equal to the old one where the status is no news."""
    is_new_state = status.state is not task.state
    runs_first = status.state is TaskState.RUNNING and not task.running_since
    return replace(
        task,
        state=status.state,
        state_since=now if is_new_state else task.state_since,
        health=_health(task, status),
        readiness=_readiness(task, status),
        is_on_probation=status.is_on_probation if status.version else task.is_on_probation,
        permanent=status.permanent or task.permanent,
        running_since=(status.running_since or now) if runs_first else task.running_since,
        ended_at=now if status.state.is_terminal else 0.0,
        # A reconciliation answers with the state and a message of the master: that of the executor stays.
        reason=status.reason if is_new_state else task.reason,
        message=shortened(status.message) if is_new_state or _tells(status) else task.message,
        exit_code=task.exit_code if status.exit_code is None else status.exit_code,
        container_id=status.container_id or task.container_id,
        sandbox=status.sandbox or task.sandbox,
        addresses=status.addresses or task.addresses,
    )


def _tells(status: Status) -> bool:
    """Whether its message is about the task, and not about the report."""
    return bool(status.message) and status.reason != RECONCILED


def _proved(before: Task, task: Task, now: Instant) -> Task:
    """The task with its `ready_since` up to date; one that has ended keeps it."""
    if task.is_ready:
        return task if before.ready_since else replace(task, ready_since=now)
    return replace(task, ready_since=0.0) if task.ready_since and not task.state.is_terminal else task


def _health(task: Task, status: Status) -> Health:
    if task.health is Health.NONE:
        return Health.NONE
    if status.is_healthy is None:
        return Health.UNKNOWN if status.is_on_probation else task.health
    return Health.HEALTHY if status.is_healthy else Health.UNHEALTHY


def _readiness(task: Task, status: Status) -> Readiness:
    if task.readiness is Readiness.NONE:
        return Readiness.NONE
    if status.is_ready is None:
        return Readiness.UNKNOWN if status.is_on_probation else task.readiness
    return Readiness.READY if status.is_ready else Readiness.NOT_READY


def _announce(context: Context, before: Task, task: Task) -> None:
    if task.state is not before.state:
        if task.state.is_terminal:
            text = f"{task.id} ended: {task.state.value}"
            detail = task.message or task.reason
            context.publish_task("TaskEnded", task, f"{text}: {detail}" if detail else text)
        elif task.state in _KINDS:
            kind, phrase = _KINDS[task.state]
            context.publish_task(kind, task, f"{task.id} {phrase} on {task.hostname}")
    if task.health is not before.health and task.health in (Health.HEALTHY, Health.UNHEALTHY):
        phrase = "is healthy" if task.health is Health.HEALTHY else _found(task, "unhealthy")
        context.publish_task(f"Task{task.health.value.title()}", task, f"{task.id} {phrase}")
    if task.readiness is not before.readiness and task.state is TaskState.RUNNING:
        if task.readiness is Readiness.READY:
            context.publish_task("TaskReady", task, f"{task.id} is ready")
        elif task.readiness is Readiness.NOT_READY:
            context.publish_task("TaskNotReady", task, f"{task.id} {_found(task, 'not ready')}")


def _found(task: Task, word: str) -> str:
    """`is not ready: GET / 503`, unless the message is about something else, as that it is healthy."""
    return f"is {task.message}" if task.message.startswith(f"{word}: ") else f"is {word}"
