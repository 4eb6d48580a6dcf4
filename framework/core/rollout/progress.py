"""The progress of a group in a rollout, for readers: its step, the number of new tasks, and why it waits. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from framework.core.groups.rollout_gate import ActiveRollout, active_rollout, gate_of
from framework.core.model import GroupRollout, Instant, Rollout, RolloutState
from framework.core.rollout.rollouts import done_at, last_progress, standstill, why_not
from framework.core.state.context import Context
from framework.core.views import GroupProgress
from specs.ids import GroupId
from specs.states import TaskState


def progress_of(context: Context, group: GroupId) -> GroupProgress | None:
    """The progress of the current rollout with the group; None where it does not change the group."""
    active = active_rollout(context, group)
    if active is None:
        return None
    rollout, part, update, index = active.rollout, active.part, active.update, context.state.group(group)
    steps = () if rollout.is_all_at_once else update.steps
    cause, until = ("", 0.0) if part.is_done else _awaited(context, active)
    is_patient = not active.is_open or part.problem or gate_of(context, active.spec).has_no_deadline or active.is_held
    limit = 0.0 if is_patient else update.deadline_seconds
    return GroupProgress(
        number=rollout.number,
        kind=rollout.kind,
        state=_state(rollout, part),
        step=part.step + 1 if active.step is not None else 0,
        steps=tuple(str(step) for step in steps),
        changed=sum(slot not in index.outdated and slot not in index.surge for slot in index.ready),
        total=len(index.wanted),
        failures=part.failures,
        most_failures=update.max_failures.ceil(len(index.wanted)),
        on_failure=update.on_failure,
        problem=part.problem,
        cause=cause,
        until=until,
        deadline_at=last_progress(context, active) + limit if limit else 0.0,
    )


def _state(rollout: Rollout, part: GroupRollout) -> RolloutState:
    if part.is_done:
        return RolloutState.DONE
    if rollout.state.is_over:
        return rollout.state
    if part.problem:
        return RolloutState.FAILED
    return RolloutState.PAUSED if part.paused else RolloutState.RUNNING


def _awaited(context: Context, active: ActiveRollout) -> tuple[str, Instant]:
    """Why the group waits now, a sentence, and when that is over; 0 where no clock knows."""
    spec = active.spec
    gate = gate_of(context, spec)
    if gate.cause:
        return gate.cause, 0.0
    index = context.state.group(spec.id)
    if spec.id in context.placing.causes:
        backoff = context.state.backoffs.get((spec.id, spec.version))
        return why_not(context, spec), backoff.until if backoff is not None else 0.0
    watched = sorted(_watched(context, active))
    unready = any(not context.state.tasks[id].is_ready for id in (*index.surge.values(), *index.holders.values()))
    if unready or context.pending.get(spec.id):
        return why_not(context, spec), 0.0
    held = _held_until(active)
    if held and not index.surge:
        return index.stall or gate.sentence, held
    if done_at(context, active) is not None and watched:
        return "all are changed, and are watched for a while (wait, monitor)", watched[-1]
    if watched and (index.surge or not index.stall):
        return "new tasks are ready, and are watched for a while (wait, monitor)", watched[0]
    return standstill(context, spec.id), 0.0


def _watched(context: Context, active: ActiveRollout) -> Iterator[Instant]:
    """When each ready task of the rollout will have been ready for long enough."""
    index, tasks = context.state.group(active.spec.id), context.state.tasks
    seconds, since = active.proof_seconds, active.rollout.started_at
    for slot, id in (*index.holders.items(), *index.surge.items()):
        task = tasks[id]
        is_new = slot not in index.outdated or slot in index.surge
        if is_new and task.state is TaskState.RUNNING and task.is_ready and task.ready_since > since and seconds:
            yield task.ready_since + seconds


def _held_until(active: ActiveRollout) -> Instant:
    """When the current pause ends by itself; 0 where there is none."""
    step = active.step
    is_timed = step is not None and step.until is None and step.hold_seconds
    return active.part.step_since + step.hold_seconds if step is not None and is_timed else 0.0
