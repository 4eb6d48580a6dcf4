"""Spec against state, slot by slot: what is missing, surplus, outdated, ended."""

from __future__ import annotations

from dataclasses import replace

from framework.core.commands import DeleteStack
from framework.core.converge.executor_upgrade import retire
from framework.core.converge.inplace_update import send_updates
from framework.core.converge.slots import wanted_slots
from framework.core.converge.stop_order import hold
from framework.core.converge.unreachable import replace_in_time
from framework.core.groups.completion import has_finished, is_finished, unmet_dependency
from framework.core.groups.never_started import exempt, has_never_started
from framework.core.groups.restart_delay import count_failure
from framework.core.groups.rollout_gate import previous_spec, rollout_of
from framework.core.launch import container_sweep
from framework.core.launch.adoption import is_removed, marked
from framework.core.launch.global_groups import why_not_there
from framework.core.model import Task
from framework.core.rollout.rollouts import count_rollout_failure, go_on
from framework.core.rollout.updater import has_taken_over
from framework.core.stacks.history import superfluous
from framework.core.state.context import Context
from framework.core.state.lifecycle import Action, act
from framework.core.state.timers import Timer
from specs.ids import GroupId
from specs.model.constraints import Mode
from specs.model.stack import Restart
from specs.states import Goal, TaskState

# Ends that are no fault of the task: Mesos never started it or has forgotten it, its agent went away, or somebody else
# had it killed, as an agent does that is drained.
_NO_FAULT = frozenset(
    {
        TaskState.DROPPED,
        TaskState.UNKNOWN,
        TaskState.KILLED,
        TaskState.GONE,
        TaskState.GONE_BY_OPERATOR,
        TaskState.UNREACHABLE,
    }
)


def review_group(context: Context, group: GroupId) -> None:
    """Finds out which slots of a group shall be filled, and brings every slot in line with that."""
    index = context.state.group(group)
    wanted = wanted_slots(context, group)
    if wanted != index.wanted:
        index.wanted = wanted
        context.state.touched[group] = None
    slots = dict.fromkeys((*wanted, *index.holders, *context.pending.get(group, ())))
    for slot in sorted(slots):
        review_slot(context, group, slot)
    go_on(context, group)
    send_updates(context, group)
    forget_if_over(context, group)


def review_slot(context: Context, group: GroupId, slot: int) -> None:
    """Brings one slot in line with its group's spec: its task stays, stops, or another is wanted."""
    state = context.state
    spec = state.specs.get(group)
    index = state.group(group)
    for _ in range(2 if slot not in index.wanted else 0):  # the holder; then who was to take over from it
        surplus = _running_in(context, group, slot)
        if surplus is None or (surplus.state is not TaskState.UNREACHABLE and hold(context, group)):
            break
        context.stop(surplus, _surplus_cause(context, surplus))
    task = _running_in(context, group, slot)
    if task is not None and act(task.goal, task.state) is Action.REPLACE:
        replace_in_time(context, task)
    has_taken_over(context, group, slot)
    if slot in index.replacements:
        if slot in index.holders and slot in index.wanted and slot not in index.surge:
            return
        del index.replacements[slot]
    # A task that gave up its slot may leave it to an earlier one that has come back.
    if slot not in index.holders and spec is not None and slot in index.wanted and not has_finished(state, spec, slot):
        context.want(group, slot)
        return
    context.unwant(group, slot)


def release(context: Context) -> None:
    """Goes on with the groups that have waited for others to stop, for what they depend on, or for a place that keeps
    a changed rule, and need not any more."""
    for group in list(context.deferred_stops):
        if not hold(context, group) and group in context.state.groups:
            review_group(context, group)
    for group in list(context.unmet_dependencies):
        spec = context.state.specs.get(group)
        if spec is None or not unmet_dependency(context.state, spec):
            del context.unmet_dependencies[group]
            if spec is not None:
                review_group(context, group)
    if context.has_task_moved:
        context.has_task_moved = False
        for group in list(context.violating):
            go_on(context, group)


def _running_in(context: Context, group: GroupId, slot: int) -> Task | None:
    """The task that holds the slot and shall run."""
    id = context.state.group(group).holders.get(slot)
    task = context.state.tasks[id] if id is not None else None
    return task if task is not None and task.goal is Goal.RUN else None


def _surplus_cause(context: Context, task: Task) -> str:
    spec = context.state.specs.get(task.group)
    if spec is None:
        stack = context.state.stacks.get(task.group.stack)
        return "the stack is removed" if stack is None or stack.is_removed else "the group was taken out of the stack"
    if spec.is_stopped:
        return "the group is stopped"
    return why_not_there(context, task) if spec.mode is Mode.GLOBAL else f"scaled to {spec.instances}"


def end_task(context: Context, task: Task) -> None:
    """Handles the end of a task that is stored as ended: timers, back-off, history, its slot."""
    state, group = context.state, task.group
    for timer in (Timer.KILL, Timer.LAUNCH, Timer.UNREACHABLE):
        context.timers.drop(timer, task.id)
    context.progress.pop(task.id, None)
    context.sent_updates.pop(task.id, None)
    spec = state.specs.get(group)
    is_followed = task.goal is Goal.RUN and spec is not None and not is_finished(task, spec)
    if spec is not None and is_followed and not _is_blameless(context, task):
        count_failure(context, task, spec)
        count_rollout_failure(context, task)
    elif not is_followed and spec is not None and task.goal is Goal.RUN and task.state is not TaskState.FINISHED:
        count_rollout_failure(context, task)
    if task.is_left:
        context.place_soon()  # what it left is to be removed
    elif task.sweeps:
        context.drop(task)
    _trim(context, group)
    review_slot(context, group, task.slot)
    go_on(context, group)
    retire(context, task.agent_id, task.executor_id)
    forget_if_over(context, group)


def _is_blameless(context: Context, task: Task) -> bool:
    if task.is_orphaned or is_removed(task):
        return True
    return exempt(context, task) if has_never_started(task) else task.state in _NO_FAULT


def _trim(context: Context, group: GroupId) -> None:
    """Keeps the newest ended tasks, those that carry the wait of a version that may be launched, and the last one of
    each empty slot that needs to know of it: for its policy, or for the container that another task is to take over."""
    state = context.state
    index, spec = state.group(group), state.specs.get(group)
    has_rollout = rollout_of(context, group.stack) is not None  # an emptied slot is filled as what it was
    needs_last = spec is not None and (
        spec.restart is not Restart.ALWAYS or spec.rules.sticky or spec.retry.attempts > 0 or has_rollout
    )
    empty = max(len(index.wanted) - len(index.holders), 0) if needs_last else 0
    if len(index.ended) <= context.settings.history_per_group + empty:
        return
    kept = previous_spec(context, spec) if spec is not None else None
    alive = {each.version for each in (spec, kept) if each is not None}
    for task in [state.tasks[id] for id in index.ended]:
        if len(index.ended) <= context.settings.history_per_group:
            return
        is_empty = task.slot in index.wanted and task.slot not in index.holders
        if task.is_left or (task.version in alive and state.carries_backoff(task)):
            continue
        if not ((needs_last or task.is_orphaned) and is_empty and index.last_ended.get(task.slot) == task.id):
            context.drop(task)


def forget_if_over(context: Context, group: GroupId) -> None:
    """Forgets a group without spec and living tasks, of which nothing is left on an agent; with the last such group,
    the removed stack."""
    state = context.state
    index = state.groups.get(group)
    if index is None or group in state.specs or not index.is_empty or container_sweep.holds(context, group):
        return
    for id in list(index.ended):
        context.drop(state.tasks[id])
    state.forget_group(group)
    context.never_started.pop(group, None)
    context.placing.causes.pop(group, None)
    context.placing.waits_published.pop(group, None)
    context.deferred_stops.pop(group, None)
    context.violating.pop(group, None)
    for timer in (Timer.STICKY, Timer.ADOPTION, Timer.ROLLOUT_STEP, Timer.ROLLOUT_DEADLINE, Timer.INPLACE_UPDATE):
        context.timers.drop(timer, str(group))
    forget_stack_if_over(context, group.stack)


def forget_stack_if_over(context: Context, name: str) -> None:
    """Forgets a removed stack of which nothing is left."""
    state = context.state
    stack = state.stacks.get(name)
    if stack is None or not stack.is_removed or name in state.by_stack:
        return
    candidates = dict.fromkeys(spec.version for spec in stack.groups)
    state.drop_stack(name)
    context.drop_rollouts(name)
    context.collect_versions(name, candidates)
    context.write("stack", name, DeleteStack(name=name))
    for other in superfluous(state.histories, state.stacks):
        context.drop_history(other)
    context.publish("StackRemoved", f"stack {name} is removed: its last task has ended", name)


def forget_unsent(context: Context, task: Task, problem: str) -> None:
    """A task that never reached Mesos is over, and its slot is free."""
    ended = replace(
        task,
        state=TaskState.DROPPED,
        state_since=context.now,
        ended_at=context.now,
        reason="NOT_SENT",
        message=f"not launched: {problem}",
    )
    ended = marked(context.state, ended)
    context.put(ended)
    end_task(context, ended)
