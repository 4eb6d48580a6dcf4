"""Answers about rollouts: how far one is, with each group, and those before it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from framework.api.answers.base import Seconds, Shape, Standing, standing
from framework.core.model import GroupRollout, Rollout
from framework.core.views import GroupProgress, StackView, View


class RolloutProgress(Shape):
    """How far a rollout is with a group: `changed` of `total` slots are as desired and ready."""

    number: Annotated[int, Field(description="of the rollout", examples=[8])]
    kind: Annotated[str, Field(description="update, restart or rollback", examples=["update"])]
    state: Annotated[str, Field(description="running, paused, failed, done or aborted", examples=["running"])]
    step: Annotated[int, Field(description="the one of `steps` that it is in, from 1; 0: in none", examples=[2])]
    steps: Annotated[list[str], Field(examples=[["25%", "pause", "100%"]])]
    changed: Annotated[int, Field(examples=[1])]
    total: Annotated[int, Field(examples=[4])]
    failures: Annotated[int, Field(description="new tasks that failed", examples=[0])]
    most_failures: Annotated[int, Field(description="with more than so many it fails", examples=[2])]
    on_failure: Annotated[str, Field(description="rollback, pause or continue", examples=["rollback"])]
    problem: Annotated[str, Field(description="why it failed; empty where it did not")]
    cause: Annotated[str, Field(description="what it waits for; empty once it is done")]
    until: Annotated[Seconds | None, Field(description="when that is over; null where no clock knows")]
    deadline_at: Annotated[
        Seconds | None, Field(description="when it fails, unless there is progress; null: not by time")
    ]


class RolloutPart(Shape):
    """How far the change of a group is, or was when the rollout ended."""

    group: Annotated[str, Field(examples=["shop/web[prod]"])]
    is_done: bool
    failures: Annotated[int, Field(description="new tasks that failed")]
    problem: Annotated[str, Field(description="why it failed; empty where it did not")]
    paused: Annotated[str, Field(description="who keeps it from going on; empty where nobody does")]
    progress: Annotated[RolloutProgress | None, Field(description="null of a rollout that was followed by another")]


class RolloutLine(Shape):
    """A rollout. `cause` says why it failed, or how it ended."""

    stack: Annotated[str, Field(examples=["shop"])]
    number: Annotated[int, Field(description="the stack's index with which it began", examples=[8])]
    kind: Annotated[str, Field(description="update, restart or rollback", examples=["update"])]
    state: Annotated[
        str,
        Field(description="running, paused, failed, done, aborted, rolled back or superseded", examples=["running"]),
    ]
    is_over: bool
    started_at: Seconds
    started_by: Annotated[str, Field(examples=["anna@desk"])]
    message: str
    cause: str
    ended_at: Seconds | None
    wait_seconds: Annotated[float | None, Field(description="asked for with a restart; null where it was not")]
    is_all_at_once: bool
    groups: list[RolloutPart]


class RolloutAnswer(Standing):
    """The rollout of now, null where there is none; and the last one that is over."""

    stack: Annotated[str, Field(examples=["shop"])]
    index: Annotated[int, Field(examples=[8])]
    rollout: RolloutLine | None
    last: RolloutLine | None


class RolloutsAnswer(Standing):
    """The stack's rollouts that are kept, newest first; the first may be under way."""

    stack: Annotated[str, Field(examples=["shop"])]
    index: Annotated[int, Field(examples=[8])]
    rollouts: list[RolloutLine]


def rollout_answer(view: View, stack: StackView) -> RolloutAnswer:
    """The rollout that runs now, and the last one."""
    lines = _rollout_lines(stack)
    has_current = bool(stack.rollouts and stack.rollouts.current)
    past = lines[1:] if has_current else lines
    return {
        **standing(view),
        "stack": stack.spec.name,
        "index": stack.spec.index,
        "rollout": lines[0] if has_current else None,
        "last": past[0] if past else None,
    }


def rollouts_answer(view: View, stack: StackView) -> RolloutsAnswer:
    """All rollouts of a stack that are kept."""
    head = standing(view)
    return {**head, "stack": stack.spec.name, "index": stack.spec.index, "rollouts": _rollout_lines(stack)}


def rollout_progress(progress: GroupProgress) -> RolloutProgress:
    """How far a rollout is with a group."""
    return {
        "number": progress.number,
        "kind": progress.kind.value,
        "state": progress.state.value,
        "step": progress.step,
        "steps": list(progress.steps),
        "changed": progress.changed,
        "total": progress.total,
        "failures": progress.failures,
        "most_failures": progress.most_failures,
        "on_failure": progress.on_failure.value,
        "problem": progress.problem,
        "cause": progress.cause,
        "until": progress.until or None,
        "deadline_at": progress.deadline_at or None,
    }


def _rollout_lines(stack: StackView) -> list[RolloutLine]:
    """The rollout that runs now, where there is one, and those before it, newest first."""
    if stack.rollouts is None:
        return []
    current = stack.rollouts.current
    return [_rollout_line(stack, each) for each in (*([current] if current else []), *stack.rollouts.past)]


def _rollout_line(stack: StackView, rollout: Rollout) -> RolloutLine:
    views = {group.spec.id: group.progress for group in stack.groups}
    return {
        "stack": rollout.stack,
        "number": rollout.number,
        "kind": rollout.kind.value,
        "state": rollout.state.value,
        "is_over": rollout.state.is_over,
        "started_at": rollout.started_at,
        "started_by": rollout.started_by,
        "message": rollout.message,
        "cause": rollout.cause or "; ".join(_problems(rollout)),
        "ended_at": rollout.ended_at or None,
        "wait_seconds": rollout.wait_seconds,
        "is_all_at_once": rollout.is_all_at_once,
        "groups": [_rollout_part(part, _of(views.get(part.group), rollout)) for part in rollout.groups],
    }


def _rollout_part(part: GroupRollout, progress: GroupProgress | None) -> RolloutPart:
    return {
        "group": str(part.group),
        "is_done": part.is_done,
        "failures": part.failures,
        "problem": part.problem,
        "paused": part.paused,
        "progress": rollout_progress(progress) if progress else None,
    }


def _problems(rollout: Rollout) -> list[str]:
    return [f"{part.group}: {part.problem}" for part in rollout.groups if part.problem and not part.is_done]


def _of(progress: GroupProgress | None, rollout: Rollout) -> GroupProgress | None:
    """The progress, if it is of this rollout."""
    return progress if progress is not None and progress.number == rollout.number else None
