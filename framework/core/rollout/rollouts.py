"""The life of a rollout: how it begins, advances, fails and ends.

    (begun) ------> RUNNING                             _finish_if_done, every part is done:   DONE
                     ^ | |                              an abort on request:                   ABORTED
           pause     | | |     _fail: max_failures,     begun by a rollback:                   ROLLED_BACK
       .-------------+-' '---.  or the deadline         begun by another change or a removal:  SUPERSEDED
       v             |       v
    PAUSED ----------+---- FAILED                       RUNNING, PAUSED and FAILED lead to each of these four. A resume
              resume                                    leads back from ABORTED to RUNNING, while that is current.

The state of a rollout that is not over follows from its parts, one for each changed group (`state_of`). A part goes
through the steps of its group (`_next_step`) until it is done (`done_at`). Where a group fails, its on_failure can
request a rollback (`go_back_if_asked`). Requests of users are decided in core.rollout.actions.
"""

from __future__ import annotations

from dataclasses import replace

from framework.core.events import ChangeRequest, RestartRequested, RolloutAction, RolloutActionRequested, StackSubmitted
from framework.core.groups.completion import has_completed, has_finished, is_finished, is_init_step, unmet_dependency
from framework.core.groups.pace import update_of
from framework.core.groups.restart_delay import end_cause
from framework.core.groups.rollout_gate import ActiveRollout, active_rollout, gate_of, most_new, rollout_of
from framework.core.launch.global_groups import fits_somewhere
from framework.core.model import (
    GroupRollout,
    GroupSpec,
    Instant,
    Rollout,
    RolloutKind,
    Rollouts,
    RolloutState,
    StackSpec,
    Task,
)
from framework.core.rollout.updater import advance, pace_now
from framework.core.state.context import Context
from framework.core.state.timers import Timer
from specs.ids import GroupId, is_same_container
from specs.model.constraints import Mode
from specs.model.update import OnFailure, Step
from specs.states import Goal, TaskState


def go_on(context: Context, group: GroupId) -> None:
    """Replaces tasks of a group as far as is allowed now, and advances its rollout."""
    advance(context, group)
    while _take_step(context, group):
        advance(context, group)
    _note_unmet(context, group)


def _note_unmet(context: Context, group: GroupId) -> None:
    """Has the group looked at again once its dependencies are met, if its part of a rollout waits for them."""
    active = active_rollout(context, group)
    if active is not None and not active.part.is_done and unmet_dependency(context.state, active.spec):
        context.unmet_dependencies[group] = None


# ---- the beginning -------------------------------------------------------------------


def begun(
    known: Rollouts | None, old: StackSpec | None, new: StackSpec, request: ChangeRequest, now: Instant, kept: int
) -> Rollouts | None:
    """The rollouts of a stack after a change of its spec; None where they stay as they are.

    A new group starts all at once and needs no rollout. Groups that an unfinished rollout has not finished are a part
    of the new one, which can still go back to the state before the unfinished one.
    """
    current = known.current if known else None
    past = known.past if known else ()
    if new.is_removed:
        if current is None:
            return None
        return Rollouts(
            stack=new.name, past=_ended(current, past, RolloutState.SUPERSEDED, "the stack is removed", now, kept)
        )
    if old is None or old.is_removed:
        return None
    before = {spec.id: spec for spec in old.groups}
    failed = {part.group for part in current.groups if part.problem and not part.is_done} if current else set()
    has_replacements = any(_must_replace(before[spec.id], spec) for spec in new.groups if spec.id in before)
    # An in-place change can mend a failed group, as another health check.
    is_mended = any(before[spec.id].version != spec.version for spec in new.groups if spec.id in failed)
    if not has_replacements and not is_mended:
        return _without_gone(known, old, new, now, kept) if known is not None else None
    open_parts = {part.group for part in current.groups if not part.is_done} if current else set()
    parts = tuple(
        GroupRollout(group=spec.id, step_since=now)
        for spec in new.groups
        if spec.id in before and (spec.id in open_parts or _must_replace(before[spec.id], spec))
    )
    kind = _kind(request)
    is_back = kind is RolloutKind.ROLLBACK
    if current is not None:
        state = RolloutState.ROLLED_BACK if is_back else RolloutState.SUPERSEDED
        past = _ended(current, past, state, _why_ended(request, new), now, kept)
    rollout = Rollout(
        stack=new.name,
        number=new.index,
        kind=kind,
        started_at=now,
        started_by=new.submitted_by,
        message=new.message,
        wait_seconds=request.wait_seconds if isinstance(request, RestartRequested) else None,
        is_all_at_once=request.is_all_at_once if isinstance(request, RestartRequested | StackSubmitted) else False,
        before=current.before if current is not None and not is_back else old.groups,
        groups=parts,
    )
    return Rollouts(stack=new.name, current=rollout, past=past)


def _kind(request: ChangeRequest) -> RolloutKind:
    if isinstance(request, RestartRequested):
        return RolloutKind.RESTART
    return RolloutKind.ROLLBACK if isinstance(request, RolloutActionRequested) else RolloutKind.UPDATE


def _without_gone(known: Rollouts, old: StackSpec, new: StackSpec, now: Instant, kept: int) -> Rollouts | None:
    """The rollouts without the parts of groups that were taken out of the stack; None where there are no such parts.
    The deadline of groups that waited for them begins now."""
    current, there = known.current, {spec.id for spec in new.groups}
    if current is None or all(part.group in there for part in current.groups):
        return None
    gone = {part.group.service for part in current.groups if part.group not in there}
    freed = {spec.id for spec in old.groups if any(each.service in gone for each in spec.dependencies)}
    left = (part for part in current.groups if part.group in there)
    parts = tuple(replace(part, step_since=now) if part.group in freed else part for part in left)
    if any(not part.is_done for part in parts):
        state = current.state if current.state.is_over else state_of(parts)
        return replace(known, current=replace(current, groups=parts, state=state))
    state = RolloutState.DONE if parts else RolloutState.SUPERSEDED
    cause = "" if parts else f"its groups were taken out of the stack by {new.index}"
    return Rollouts(stack=new.name, past=_ended(replace(current, groups=parts), known.past, state, cause, now, kept))


def _must_replace(old: GroupSpec, new: GroupSpec) -> bool:
    """Whether running tasks may have to be replaced."""
    return not is_same_container(old.version, new.version) or old.generation != new.generation or old.rules != new.rules


def _why_ended(request: ChangeRequest, new: StackSpec) -> str:
    if isinstance(request, RolloutActionRequested):
        return request.cause or f"rolled back by {request.asked_by or 'somebody'}"
    return f"superseded by {new.index}"


def _ended(
    current: Rollout, past: tuple[Rollout, ...], state: RolloutState, cause: str, now: Instant, kept: int
) -> tuple[Rollout, ...]:
    """The past rollouts with the one that was current; if that was over, its state and cause stay."""
    if not current.state.is_over:
        current = replace(current, state=state, cause=cause, ended_at=now)
    return (replace(current, before=()), *past)[:kept]


# ---- advancing -------------------------------------------------------------------------


def _take_step(context: Context, group: GroupId) -> bool:
    """Notes that a group has reached its next step, or is done; returns whether more tasks may be replaced now."""
    active = active_rollout(context, group)
    gate = gate_of(context, active.spec) if active is not None else None
    if active is None or gate is None or not active.is_open or gate.has_no_deadline:
        return False
    if _may_expire(active) and not context.timers.has(Timer.ROLLOUT_DEADLINE, str(group)):
        due = last_progress(context, active) + active.update.deadline_seconds
        context.timers.set(Timer.ROLLOUT_DEADLINE, str(group), due)
    if gate.cause or (active.spec.mode is Mode.GLOBAL and not context.agents.is_known):
        return False  # a new leader knows the slots of a global group only once it knows the agents
    if active.step is not None:
        return _next_step(context, active, active.step)
    over_at = done_at(context, active)
    if over_at is None:
        return False
    if context.now < over_at:
        context.wake_group(Timer.ROLLOUT_STEP, group, over_at)
        return False
    _finish_part(context, active)
    return False


def _finish_part(context: Context, active: ActiveRollout) -> None:
    """The group is done: its dependants go on, and the rollout ends with the last group."""
    group = active.part.group
    _put_part(context, active.rollout, replace(active.part, is_done=True))
    context.timers.drop(Timer.ROLLOUT_DEADLINE, str(group))
    for spec in context.state.stacks[group.stack].groups:
        if spec.signals and any(each.service == group.service for each in spec.dependencies):
            context.wake_group(Timer.INPLACE_UPDATE, spec.id, context.now)  # their signals may be due
    context.publish_group("GroupRolledOut", group, f"{group} is changed: rollout {active.rollout.number}")
    _release(context, group)
    _finish_if_done(context, group.stack)


def _next_step(context: Context, active: ActiveRollout, step: Step) -> bool:
    group, part = active.part.group, active.part
    if step.until is None:
        if not step.hold_seconds:
            return False
        due = part.step_since + step.hold_seconds
        if context.now < due:
            context.wake_group(Timer.ROLLOUT_STEP, group, due)
            return False
    elif not _has_reached(context, active):
        return False
    number = part.step + 1
    _put_part(context, active.rollout, replace(part, step=number, step_since=context.now))
    text = f"{group}: step {number} of {len(active.update.steps)} ({step}) is done: rollout {active.rollout.number}"
    context.publish_group("RolloutStep", group, text)
    return True


def _has_reached(context: Context, active: ActiveRollout) -> bool:
    """Whether as many slots are new as the step says, and have been ready for long enough."""
    state, index = context.state, context.state.group(active.part.group)
    wanted = most_new(active, len(index.wanted))
    proved = 0
    next_at: Instant | None = None
    for slot in index.ready:
        if slot in index.outdated or slot in index.surge:
            continue
        since = state.tasks[index.holders[slot]].ready_since + active.proof_seconds
        if since <= context.now:
            proved += 1
        else:
            next_at = since if next_at is None else min(next_at, since)
    if proved < wanted and next_at is not None:
        context.wake_group(Timer.ROLLOUT_STEP, index.id, next_at)
    return proved >= wanted


def done_at(context: Context, active: ActiveRollout) -> Instant | None:
    """When the group has been as desired for long enough; None while it is not as desired."""
    spec, state, index = active.spec, context.state, context.state.group(active.spec.id)
    is_unfinished = index.outdated or index.violating or index.surge or index.replacements or spec.id in context.pending
    if is_unfinished or len(index.ready) != len(index.holders):
        return None
    finished = len(index.wanted) - len(index.holders)
    if finished and not all(slot in index.holders or has_finished(state, spec, slot) for slot in index.wanted):
        return None
    if index.wanted and is_init_step(state, spec) and not has_completed(state, spec.id):
        return None  # its dependants wait until it has completed, not until it runs
    seconds, began = active.proof_seconds, active.rollout.started_at
    since = (state.tasks[id].ready_since for id in index.holders.values())
    return max((at + seconds for at in since if at > began), default=0.0)


def _release(context: Context, done: GroupId) -> None:
    """Wakes the groups that waited until this one is changed: their deadline begins now."""
    for group in list(context.state.by_stack[done.stack]):
        active = active_rollout(context, group)
        if active is None or active.part.is_done:
            continue
        if any(each.service == done.service for each in active.spec.dependencies):
            _put_part(context, active.rollout, replace(active.part, step_since=context.now))
        context.wake_group(Timer.ROLLOUT_STEP, group, context.now)


def _finish_if_done(context: Context, stack: str) -> None:
    rollouts = context.state.rollouts[stack]
    current = rollouts.current
    if current is None or not all(part.is_done for part in current.groups):
        return
    past = _ended(current, rollouts.past, RolloutState.DONE, "", context.now, context.settings.rollouts_kept)
    context.put_rollouts(Rollouts(stack=stack, past=past))
    context.publish("RolloutDone", f"rollout {current.number} of {stack} is done", stack)


def _put_part(context: Context, rollout: Rollout, part: GroupRollout) -> None:
    """Stores the progress of a group; the rollout's own state follows from its parts."""
    parts = tuple(part if each.group == part.group else each for each in rollout.groups)
    changed = replace(rollout, groups=parts, state=state_of(parts))
    context.put_rollouts(replace(context.state.rollouts[rollout.stack], current=changed))


def state_of(parts: tuple[GroupRollout, ...]) -> RolloutState:
    """The state of a rollout that is not over, by its parts."""
    left = [part for part in parts if not part.is_done]
    if any(part.problem for part in left):
        return RolloutState.FAILED
    if left and all(part.paused for part in left):
        return RolloutState.PAUSED
    return RolloutState.RUNNING


# ---- failing ---------------------------------------------------------------------------


def count_rollout_failure(context: Context, task: Task) -> None:
    """A task has ended by itself, or is no longer ready: counts as a failure of the rollout that launched it."""
    active = active_rollout(context, task.group)
    if active is None or not active.is_open or active.part.problem:
        return
    spec, rollout, update = active.spec, active.rollout, active.update
    is_new = is_same_container(task.version, spec.version) and task.generation >= spec.generation
    is_init, is_last = is_init_step(context.state, spec), task.state.is_terminal and is_finished(task, spec)
    if is_last and not is_init:
        return  # no group depends on its completion
    is_proved = not is_init and bool(task.ready_since) and context.now > task.ready_since + active.proof_seconds
    if not is_new or is_proved or task.launched_at < rollout.started_at:
        return
    failures = active.part.failures + 1
    most = 0 if is_last else update.max_failures.ceil(len(context.state.group(task.group).wanted))
    _put_part(context, rollout, replace(active.part, failures=failures))
    if failures > most and update.on_failure is not OnFailure.CONTINUE:
        allowed = f", and max_failures is {update.max_failures}" if most else ""
        count = "a new task" if failures == 1 else f"{failures} new tasks"
        _fail(context, task.group, f"{count} failed{allowed}; the last one, {task.id}: {end_cause(task)}")


def check_deadline(context: Context, group: GroupId) -> None:
    """Fails the rollout of a group that has made no progress until its deadline."""
    active = active_rollout(context, group)
    if active is None or not active.is_open or not _may_expire(active):
        return
    if gate_of(context, active.spec).has_no_deadline:
        return
    seconds = active.update.deadline_seconds
    due = last_progress(context, active) + seconds
    if context.now < due:
        context.timers.set(Timer.ROLLOUT_DEADLINE, str(group), due)
        return
    _fail(context, group, f"no progress for {seconds:g} s (deadline): {why_not(context, active.spec)}")


def _may_expire(active: ActiveRollout) -> bool:
    """Whether the deadline of a group runs: there is one, the group has not failed, and the current step is no
    pause."""
    return bool(active.update.deadline_seconds) and not active.part.problem and not active.is_held


def last_progress(context: Context, active: ActiveRollout) -> Instant:
    """When the group last made progress: a step, or another new task that became ready."""
    state, index, part = context.state, context.state.group(active.part.group), active.part
    tasks = (state.tasks[id] for id in (*index.holders.values(), *index.surge.values()))
    ready = (
        task.ready_since for task in tasks if task.is_ready and is_same_container(task.version, active.spec.version)
    )
    return max((active.rollout.started_at, part.step_since, part.resumed_at, *ready))


def why_not(context: Context, spec: GroupSpec) -> str:
    """Why a group is not as desired, a sentence."""
    state, index = context.state, context.state.group(spec.id)
    if spec.id in context.placing.causes:
        return context.placing.causes[spec.id].text + _kept_in_place(context, spec)
    for id in (*index.surge.values(), *index.holders.values()):
        task = state.tasks[id]
        if task.goal is Goal.RUN and not task.is_ready and is_same_container(task.version, spec.version):
            return why_not_ready(task)
    return standstill(context, spec.id)


def why_not_ready(task: Task) -> str:
    """The state of a task that is not ready, a sentence."""
    said = task.message or task.reason
    return f"{task.id} is not ready ({task.state.shown}, {task.health.value}){f': {said}' if said else ''}"


def _kept_in_place(context: Context, spec: GroupSpec) -> str:
    """Why no old task is stopped for a new one that no agent has room for, as the end of a sentence; "" where one can
    be stopped, or it would not help."""
    index, rollout = context.state.group(spec.id), rollout_of(context, spec.id.stack)
    waits = [one.since for slot, one in index.replacements.items() if slot in index.ready]
    if not waits or context.placing.refused_at.get(spec.id, 0.0) <= min(waits):
        return ""
    update, pace = update_of(spec, rollout), pace_now(context, spec)
    is_enough = update.min_healthy is None or len(index.ready) > pace.ready_after_stop
    if (is_enough and pace.may_fall_back) or not fits_somewhere(context, spec):
        return ""
    cause = "order is start-first" if is_enough else f"min_healthy is {update.min_healthy}"
    return f"; no old task is stopped for it, as {cause}"


def standstill(context: Context, group: GroupId) -> str:
    """Why a group does not advance whose tasks are all ready, a sentence."""
    state, index = context.state, context.state.group(group)
    going = [id for id in (*index.holders.values(), *index.outgoing) if _is_going(state.tasks[id])]
    stopping = f"{going[0]} is being stopped" if len(going) == 1 else f"{len(going)} old tasks are being stopped"
    said = "; ".join(part for part in (index.stall, stopping if going else "") if part)
    return said or ("waits for offers" if index.replacements else "the next task is about to begin")


def _is_going(task: Task) -> bool:
    return task.goal is Goal.STOP and task.state is not TaskState.UNREACHABLE


def _fail(context: Context, group: GroupId, problem: str) -> None:
    active = active_rollout(context, group)
    if active is None:
        return
    _put_part(context, active.rollout, replace(active.part, problem=problem))
    context.publish_group("RolloutFailed", group, f"rollout {active.rollout.number}: {group}: {problem}")
    for each in active.rollout.groups:
        if not each.is_done:
            context.wake_group(Timer.ROLLOUT_STEP, each.group, context.now)  # other groups may wait for this one
    go_back_if_asked(context, group)


def go_back_if_asked(context: Context, group: GroupId) -> None:
    """Requests a rollback of the stack if the group failed and its on_failure says so. A failed rollback stays as it
    is."""
    active = active_rollout(context, group)
    if active is None or not active.part.problem or active.rollout.kind is RolloutKind.ROLLBACK:
        return
    if active.update.on_failure is OnFailure.ROLLBACK and not active.rollout.state.is_over:
        context.request(
            RolloutActionRequested(
                request_id=0,
                stack=group.stack,
                action=RolloutAction.ROLLBACK,
                number=active.rollout.number,
                cause=f"{group}: {active.part.problem}",
            )
        )
