"""The life of a rollout: how it begins, gets on, fails, and is over."""

from __future__ import annotations

from dataclasses import replace

from framework.core.context import Context
from framework.core.events import Ask, RestartAsked, RolloutAction, RolloutAsked, StackSubmitted
from framework.core.model import (
    GroupRollout,
    GroupWish,
    Instant,
    Rollout,
    RolloutKind,
    Rollouts,
    RolloutState,
    StackWish,
    Task,
)
from framework.core.moving import advance
from framework.core.pace import update_of
from framework.core.permits import most_new, permit_of, rollout_of
from framework.core.wishes import has_completed, has_finished, is_finished, is_init_step, unmet_dependency
from specs.ids import GroupId
from specs.states import Goal
from specs.update import OnFailure, Update


def go_on(context: Context, group: GroupId, now: Instant) -> None:
    """Goes on with what is to be replaced of a group, and with the rollout to which that belongs."""
    advance(context, group, now)
    while _take_step(context, group, now):
        advance(context, group, now)
    _note_unmet(context, group)


def _note_unmet(context: Context, group: GroupId) -> None:
    """Has the group looked at again once what it depends on is there, where its part of a rollout waits for that."""
    rollout, wish = rollout_of(context, group.stack), context.books.wishes.get(group)
    part = rollout.part(group) if rollout else None
    if wish is not None and part is not None and not part.is_done and unmet_dependency(context.books, wish):
        context.unmet[group] = None


# ---- the beginning -------------------------------------------------------------------


def begun(
    known: Rollouts | None, old: StackWish | None, new: StackWish, ask: Ask, now: Instant, kept: int
) -> Rollouts | None:
    """The rollouts of a stack once its wish is another; None where they stay as they are.

    A group that is new starts all at once, and needs no rollout. What an unfinished rollout has not changed yet goes on
    from where it is, and may still go back to what was before that one.
    """
    current = known.current if known else None
    past = known.past if known else ()
    if new.is_removed:
        if current is None:
            return None
        return Rollouts(stack=new.name, past=_superseded(current, past, "the stack is removed", now, kept))
    if old is None or old.is_removed:
        return None
    before = {wish.id: wish for wish in old.groups}
    is_moved = any(_moves(before[wish.id], wish) for wish in new.groups if wish.id in before)
    if not is_moved:
        return None
    open_parts = {part.group for part in current.groups if not part.is_done} if current else set()
    parts = tuple(
        GroupRollout(group=wish.id, step_since=now)
        for wish in new.groups
        if wish.id in before and (wish.id in open_parts or _moves(before[wish.id], wish))
    )
    kind = RolloutKind.UPDATE
    if isinstance(ask, RestartAsked):
        kind = RolloutKind.RESTART
    elif isinstance(ask, RolloutAsked):
        kind = RolloutKind.ROLLBACK
    if current is not None:
        is_back = isinstance(ask, RolloutAsked)
        state = RolloutState.ROLLED_BACK if is_back else RolloutState.SUPERSEDED
        past = _ended(current, past, state, _why_ended(ask, new), now, kept)
    rollout = Rollout(
        stack=new.name,
        number=new.index,
        kind=kind,
        started_at=now,
        started_by=new.submitted_by,
        message=new.message,
        wait_seconds=ask.wait_seconds if isinstance(ask, RestartAsked) else None,
        is_all_at_once=ask.is_all_at_once if isinstance(ask, RestartAsked | StackSubmitted) else False,
        before=current.before if current is not None and kind is not RolloutKind.ROLLBACK else old.groups,
        groups=parts,
    )
    return Rollouts(stack=new.name, current=rollout, past=past)


def _moves(old: GroupWish, new: GroupWish) -> bool:
    """Whether tasks that run may have to be replaced."""
    return old.version != new.version or old.generation != new.generation or old.rules != new.rules


def _why_ended(ask: Ask, new: StackWish) -> str:
    if isinstance(ask, RolloutAsked):
        return ask.cause or f"rolled back by {ask.asked_by or 'somebody'}"
    return f"superseded by {new.index}"


def _superseded(
    current: Rollout, past: tuple[Rollout, ...], cause: str, now: Instant, kept: int
) -> tuple[Rollout, ...]:
    return _ended(current, past, RolloutState.SUPERSEDED, cause, now, kept)


def _ended(
    current: Rollout, past: tuple[Rollout, ...], state: RolloutState, cause: str, now: Instant, kept: int
) -> tuple[Rollout, ...]:
    """The past with the rollout that was the current one; how it ended already stays."""
    if not current.state.is_over:
        current = replace(current, state=state, cause=cause, ended_at=now)
    return (replace(current, before=()), *past)[:kept]


# ---- getting on ------------------------------------------------------------------------


def _take_step(context: Context, group: GroupId, now: Instant) -> bool:
    """Notes that a group has reached its next step, or is done; returns whether more may be changed now."""
    rollout = rollout_of(context, group.stack)
    part = rollout.part(group) if rollout else None
    wish = context.books.wishes.get(group)
    if rollout is None or part is None or part.is_done or rollout.state.is_over or wish is None:
        return False
    if permit_of(context, wish).cause:
        return False
    update = update_of(wish, rollout)
    if _may_expire(update, rollout, part) and not context.timers.has("deadline", str(group)):
        context.timers.set("deadline", str(group), last_progress(context, rollout, part) + update.deadline_seconds)
    if part.step < len(update.steps) and not rollout.is_all_at_once:
        return _next_step(context, wish, rollout, part, update, now)
    over_at = done_at(context, wish, update)
    if over_at is None:
        return False
    if now < over_at:
        context.wake_group("advance", group, over_at)
        return False
    _put_part(context, rollout, replace(part, is_done=True))
    context.timers.drop("deadline", str(group))
    context.announce_group("GroupRolledOut", group, f"{group} is changed: rollout {rollout.number}")
    _finish_if_done(context, group.stack, now)
    return False


def _next_step(
    context: Context, wish: GroupWish, rollout: Rollout, part: GroupRollout, update: Update, now: Instant
) -> bool:
    step = update.steps[part.step]
    if step.until is None:
        if not step.hold_seconds:
            return False
        due = part.step_since + step.hold_seconds
        if now < due:
            context.wake_group("advance", wish.id, due)
            return False
    elif not _has_reached(context, wish, rollout, part, update, now):
        return False
    number = part.step + 1
    _put_part(context, rollout, replace(part, step=number, step_since=now))
    text = f"{wish.id}: step {number} of {len(update.steps)} ({step}) is done: rollout {rollout.number}"
    context.announce_group("RolloutStep", wish.id, text)
    return True


def _has_reached(
    context: Context, wish: GroupWish, rollout: Rollout, part: GroupRollout, update: Update, now: Instant
) -> bool:
    """Whether as many slots are new and have proved themselves as the step says."""
    books, book = context.books, context.books.group(wish.id)
    wanted = most_new(update.steps[: part.step + 1], len(book.wanted))
    proved = 0
    next_at: Instant | None = None
    for slot in book.ready:
        if slot in book.outdated or slot in book.incoming:
            continue
        since = books.tasks[book.seats[slot]].ready_since + proof_seconds(update, rollout)
        if since <= now:
            proved += 1
        else:
            next_at = since if next_at is None else min(next_at, since)
    if proved < wanted and next_at is not None:
        context.wake_group("advance", wish.id, next_at)
    return proved >= wanted


def proof_seconds(update: Update, rollout: Rollout) -> float:
    """How long a new task is watched before it counts."""
    wait = update.wait_seconds if rollout.wait_seconds is None else rollout.wait_seconds
    return max(wait, update.monitor_seconds)


def done_at(context: Context, wish: GroupWish, update: Update) -> Instant | None:
    """When the group is as wished and has been watched for long enough; None while it is not."""
    books, book = context.books, context.books.group(wish.id)
    is_moving = book.outdated or book.misplaced or book.incoming or book.succeeding or wish.id in context.pending
    if is_moving or len(book.ready) != len(book.seats):
        return None
    finished = len(book.wanted) - len(book.seats)
    if finished and not all(slot in book.seats or has_finished(books, wish, slot) for slot in book.wanted):
        return None
    if book.wanted and is_init_step(books, wish) and not has_completed(books, wish.id):
        return None  # that it runs is not yet what others wait for
    rollout = rollout_of(context, wish.id.stack)
    seconds = proof_seconds(update, rollout) if rollout is not None else 0.0
    began = rollout.started_at if rollout is not None else 0.0
    since = (books.tasks[id].ready_since for id in book.seats.values())
    return max((at + seconds for at in since if at > began), default=0.0)


def _finish_if_done(context: Context, stack: str, now: Instant) -> None:
    rollouts = context.books.rollouts[stack]
    current = rollouts.current
    if current is None or not all(part.is_done for part in current.groups):
        # Others may have waited for this one.
        for part in current.groups if current else ():
            if not part.is_done:
                context.wake_group("advance", part.group, now)
        return
    past = _ended(current, rollouts.past, RolloutState.DONE, "", now, context.settings.rollouts_kept)
    context.put_rollouts(Rollouts(stack=stack, past=past))
    context.tell("RolloutDone", f"rollout {current.number} of {stack} is done", stack)


def _put_part(context: Context, rollout: Rollout, part: GroupRollout) -> Rollout:
    """Takes how far a group is; the rollout's own state follows from its parts."""
    parts = tuple(part if each.group == part.group else each for each in rollout.groups)
    changed = replace(rollout, groups=parts, state=state_of(parts))
    context.put_rollouts(replace(context.books.rollouts[rollout.stack], current=changed))
    return changed


def state_of(parts: tuple[GroupRollout, ...]) -> RolloutState:
    """What the parts make of a rollout that is not over."""
    left = [part for part in parts if not part.is_done]
    if any(part.problem for part in left):
        return RolloutState.FAILED
    if left and all(part.paused for part in left):
        return RolloutState.PAUSED
    return RolloutState.RUNNING


# ---- failing ---------------------------------------------------------------------------


def note_failure(context: Context, task: Task, now: Instant) -> None:
    """A task has ended by itself, or is no longer ready: perhaps a failure of the rollout that brought it."""
    rollout = rollout_of(context, task.group.stack)
    part = rollout.part(task.group) if rollout else None
    wish = context.books.wishes.get(task.group)
    if rollout is None or part is None or wish is None or part.is_done or rollout.state.is_over or part.problem:
        return
    is_new = task.version == wish.version and task.generation >= wish.generation
    is_step, is_last = is_init_step(context.books, wish), task.state.is_terminal and is_finished(task, wish)
    if is_last and not is_step:
        return  # nobody waits for how it ends
    update = update_of(wish, rollout)
    is_proved = not is_step and bool(task.ready_since) and now > task.ready_since + proof_seconds(update, rollout)
    if not is_new or is_proved or task.launched_at < rollout.started_at:
        return
    failures = part.failures + 1
    most = 0 if is_last else update.max_failures.ceil(len(context.books.group(task.group).wanted))
    rollout = _put_part(context, rollout, replace(part, failures=failures))
    if failures > most and update.on_failure is not OnFailure.CONTINUE:
        said = task.message or task.reason or task.state.value
        allowed = f", and max_failures is {update.max_failures}" if most else ""
        count = "a new task" if failures == 1 else f"{failures} new tasks"
        _fail(context, wish, f"{count} failed{allowed}; the last one, {task.id}: {said}", now)


def check_deadline(context: Context, group: GroupId, now: Instant) -> None:
    """Ends the patience with a group that makes no progress."""
    rollout = rollout_of(context, group.stack)
    part = rollout.part(group) if rollout else None
    wish = context.books.wishes.get(group)
    if rollout is None or part is None or wish is None or part.is_done or rollout.state.is_over:
        return
    update = update_of(wish, rollout)
    if permit_of(context, wish).cause or not _may_expire(update, rollout, part):
        return
    due = last_progress(context, rollout, part) + update.deadline_seconds
    if now < due:
        context.timers.set("deadline", str(group), due)
        return
    _fail(context, wish, f"no progress for {update.deadline_seconds:g} s (deadline): {why_not(context, wish)}", now)


def _may_expire(update: Update, rollout: Rollout, part: GroupRollout) -> bool:
    """Whether the patience with a group may end: it has a bound, has not ended, and the group does not hold."""
    steps = update.steps
    is_held = part.step < len(steps) and steps[part.step].until is None and not rollout.is_all_at_once
    return bool(update.deadline_seconds) and not part.problem and not is_held


def last_progress(context: Context, rollout: Rollout, part: GroupRollout) -> Instant:
    """When the group last came nearer to its end: a step, or another new task that is ready."""
    books, book, wish = context.books, context.books.group(part.group), context.books.wishes[part.group]
    tasks = (books.tasks[id] for id in (*book.seats.values(), *book.incoming.values()))
    ready = (task.ready_since for task in tasks if task.is_ready and task.version == wish.version)
    return max((rollout.started_at, part.step_since, part.resumed_at, *ready))


def why_not(context: Context, wish: GroupWish) -> str:
    """What keeps a group from being as wished, in a sentence."""
    books, book = context.books, context.books.group(wish.id)
    if wish.id in context.causes:
        return context.causes[wish.id]
    for id in (*book.incoming.values(), *book.seats.values()):
        task = books.tasks[id]
        if task.goal is Goal.RUN and not task.is_ready and task.version == wish.version:
            said = task.message or task.reason
            return f"{id} is not ready ({task.state.value}, {task.health.value}){f': {said}' if said else ''}"
    return book.stall or "its tasks are being stopped"


def _fail(context: Context, wish: GroupWish, problem: str, now: Instant) -> None:
    rollout = rollout_of(context, wish.id.stack)
    part = rollout.part(wish.id) if rollout else None
    if rollout is None or part is None:
        return
    _put_part(context, rollout, replace(part, problem=problem))
    context.announce_group("RolloutFailed", wish.id, f"rollout {rollout.number}: {wish.id}: {problem}")
    for each in rollout.groups:
        if not each.is_done:
            context.wake_group("advance", each.group, now)  # others may have waited for this one
    go_back_if_asked(context, wish.id)


def go_back_if_asked(context: Context, group: GroupId) -> None:
    """Has the stack go back where a group has failed that is to do so. One that goes back already stands still."""
    rollout, wish = rollout_of(context, group.stack), context.books.wishes.get(group)
    part = rollout.part(group) if rollout else None
    if rollout is None or part is None or wish is None or not part.problem or rollout.kind is RolloutKind.ROLLBACK:
        return
    if update_of(wish, rollout).on_failure is OnFailure.ROLLBACK and not rollout.state.is_over:
        context.ask(
            RolloutAsked(
                request_id=0,
                stack=group.stack,
                action=RolloutAction.ROLLBACK,
                number=rollout.number,
                cause=f"{group}: {part.problem}",
            )
        )
