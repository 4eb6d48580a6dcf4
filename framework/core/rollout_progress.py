"""How far the change of a group is, for readers: in which step, how many are new, and what it waits for. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from framework.core.context import Context
from framework.core.model import GroupRollout, GroupWish, Instant, Rollout, RolloutState
from framework.core.pace import update_of
from framework.core.permits import permit_of, rollout_of
from framework.core.rollouts import done_at, last_progress, proof_seconds, why_not
from framework.core.views import GroupProgress
from specs.ids import GroupId
from specs.states import TaskState
from specs.update import Update


def progress_of(context: Context, group: GroupId) -> GroupProgress | None:
    """How far the rollout of now is with the group; None where that changes nothing of it."""
    rollout, wish = rollout_of(context, group.stack), context.books.wishes.get(group)
    part = rollout.part(group) if rollout else None
    if rollout is None or part is None or wish is None:
        return None
    update, book = update_of(wish, rollout), context.books.group(group)
    steps = () if rollout.is_all_at_once else update.steps
    cause, until = ("", 0.0) if part.is_done else _awaited(context, wish, rollout, part, update)
    is_patient = part.is_done or rollout.state.is_over or part.problem or permit_of(context, wish).cause
    is_held = part.step < len(steps) and update.steps[part.step].until is None
    limit = 0.0 if is_patient or is_held else update.deadline_seconds
    return GroupProgress(
        number=rollout.number,
        kind=rollout.kind,
        state=_state(rollout, part),
        step=part.step + 1 if part.step < len(steps) else 0,
        steps=tuple(str(step) for step in steps),
        changed=sum(slot not in book.outdated and slot not in book.incoming for slot in book.ready),
        total=len(book.wanted),
        failures=part.failures,
        most_failures=update.max_failures.ceil(len(book.wanted)),
        on_failure=update.on_failure,
        problem=part.problem,
        cause=cause,
        until=until,
        deadline_at=last_progress(context, rollout, part) + limit if limit else 0.0,
    )


def _state(rollout: Rollout, part: GroupRollout) -> RolloutState:
    if part.is_done:
        return RolloutState.DONE
    if rollout.state.is_over:
        return rollout.state
    if part.problem:
        return RolloutState.FAILED
    return RolloutState.PAUSED if part.paused else RolloutState.RUNNING


def _awaited(
    context: Context, wish: GroupWish, rollout: Rollout, part: GroupRollout, update: Update
) -> tuple[str, Instant]:
    """What the group waits for now, in a sentence, and when that is over, 0 where nobody can know."""
    permit = permit_of(context, wish)
    if permit.cause:
        return permit.cause, 0.0
    book = context.books.group(wish.id)
    if wish.id in context.causes:
        backoff = context.books.backoffs.get((wish.id, wish.version))
        return context.causes[wish.id], backoff.until if backoff is not None else 0.0
    watched = sorted(_watched(context, wish, proof_seconds(update, rollout), rollout.started_at))
    unready = any(not context.books.tasks[id].is_ready for id in (*book.incoming.values(), *book.seats.values()))
    if unready or context.pending.get(wish.id):
        return why_not(context, wish), 0.0
    held = _held_until(part, update, rollout)
    if held and not book.incoming:
        return book.stall or permit.sentence, held
    if done_at(context, wish, update) is not None and watched:
        return "all are changed, and are watched for a while (wait, monitor)", watched[-1]
    if watched and (book.incoming or not book.stall):
        return "new tasks are ready, and are watched for a while (wait, monitor)", watched[0]
    return book.stall or "its tasks are being stopped", 0.0


def _watched(context: Context, wish: GroupWish, seconds: float, since: Instant) -> Iterator[Instant]:
    """When tasks of the rollout that are ready have been so for long enough."""
    book, tasks = context.books.group(wish.id), context.books.tasks
    for slot, id in (*book.seats.items(), *book.incoming.items()):
        task = tasks[id]
        is_new = slot not in book.outdated or slot in book.incoming
        if is_new and task.state is TaskState.RUNNING and task.is_ready and task.ready_since > since and seconds:
            yield task.ready_since + seconds


def _held_until(part: GroupRollout, update: Update, rollout: Rollout) -> Instant:
    """When the pause of now ends by itself, 0 where there is none."""
    if rollout.is_all_at_once or part.step >= len(update.steps):
        return 0.0
    step = update.steps[part.step]
    return part.step_since + step.hold_seconds if step.until is None and step.hold_seconds else 0.0
