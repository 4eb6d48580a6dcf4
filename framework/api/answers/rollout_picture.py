"""A stack's rollouts as plain values for JSON. framework/api/rollout_shapes.py describes the same."""

from __future__ import annotations

from typing import Any

from framework.core.model import GroupRollout, Rollout
from framework.core.views import GroupProgress, StackView

Plain = dict[str, Any]


def rollout_plain(stack: StackView, rollout: Rollout) -> Plain:
    """A rollout and how far each of its groups is."""
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
        "groups": [_part_plain(part, _of(views.get(part.group), rollout)) for part in rollout.groups],
    }


def progress_plain(progress: GroupProgress) -> Plain:
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


def _problems(rollout: Rollout) -> list[str]:
    return [f"{part.group}: {part.problem}" for part in rollout.groups if part.problem and not part.is_done]


def _of(progress: GroupProgress | None, rollout: Rollout) -> GroupProgress | None:
    """The progress, if it is of this rollout."""
    return progress if progress is not None and progress.number == rollout.number else None


def _part_plain(part: GroupRollout, progress: GroupProgress | None) -> Plain:
    return {
        "group": str(part.group),
        "is_done": part.is_done,
        "failures": part.failures,
        "problem": part.problem,
        "paused": part.paused,
        "progress": progress_plain(progress) if progress else None,
    }
