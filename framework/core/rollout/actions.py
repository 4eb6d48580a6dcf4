"""Requests about a rollout (pause, resume, promote, abort, roll back) and the change of the stack that each makes.
Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from framework.core.commands import Done, Refused
from framework.core.events import RolloutAction, RolloutActionRequested
from framework.core.groups.pace import update_of
from framework.core.model import GroupRollout, GroupSpec, Instant, Rollout, Rollouts, RolloutState, StackSpec
from framework.core.rollout.rollouts import state_of
from framework.core.state.stack_change import StackChange
from specs.ids import GroupId, is_same_container


def evaluate(
    request: RolloutActionRequested, stack: StackSpec | None, known: Rollouts | None, now: Instant
) -> StackChange | Done | Refused:
    """The change that a request makes: a rollback brings another spec, any other request leaves the spec. Done if there
    is nothing to change; the message says so."""
    if stack is None or stack.is_removed:
        return Refused(
            kind="not_found", message=f"there is no stack {request.stack}; `framework ls` names those there are"
        )
    rollout = known.current if known else None
    if known is None or rollout is None:
        return Refused(
            kind="not_found",
            message=f"stack {request.stack} has no rollout under way: all is as it was last submitted;"
            f" `framework rollout history {request.stack}` shows those that are over",
        )
    if request.number and request.number != rollout.number:
        return Refused(
            kind="conflict", message=f"rollout {request.number} of {request.stack} was followed by {rollout.number}"
        )
    if request.action is RolloutAction.ROLLBACK:
        return _back(request, stack, rollout, now)
    if request.action is RolloutAction.ABORT:
        return _abort(request, stack, known, rollout, now)
    meant = [part for part in rollout.groups if not request.service or part.group.service == request.service]
    if not meant:
        services = ", ".join(sorted({part.group.service for part in rollout.groups}))
        message = (
            f"rollout {rollout.number} of {request.stack} does not change {request.service}; it changes {services}"
        )
        return Refused(kind="not_found", message=message)
    return _adjusted(request, stack, known, rollout, [part.group for part in meant if not part.is_done], now)


def _adjusted(
    request: RolloutActionRequested,
    stack: StackSpec,
    known: Rollouts,
    rollout: Rollout,
    groups: list[GroupId],
    now: Instant,
) -> StackChange | Done | Refused:
    who = request.asked_by or "somebody"
    changes: dict[RolloutAction, Callable[[GroupRollout], GroupRollout]] = {
        RolloutAction.PAUSE: lambda part: replace(part, paused=part.paused or f"paused by {who}"),
        RolloutAction.RESUME: lambda part: replace(part, paused="", problem="", failures=0, resumed_at=now),
        RolloutAction.PROMOTE: lambda part: replace(part, step=part.step + 1, step_since=now),
    }
    change = changes[request.action]
    parts = tuple(change(part) if part.group in groups else part for part in rollout.groups)
    if rollout.state is RolloutState.ABORTED and request.action is not RolloutAction.RESUME:
        message = f"rollout {rollout.number} of {request.stack} is aborted; resume it, roll it back, or submit anew"
        return Refused(kind="conflict", message=message)
    if why := _nothing_to_do(request, stack, rollout, [part for part in rollout.groups if part.group in groups]):
        return Done(message=why)
    if parts == rollout.groups and rollout.state is not RolloutState.ABORTED:
        return Refused(
            kind="conflict", message=f"nothing of rollout {rollout.number} of {request.stack} is left to change"
        )
    changed = replace(rollout, groups=parts, state=state_of(parts), cause="", ended_at=0.0)
    names = tuple(
        str(new.group) for new, old in zip(parts, rollout.groups, strict=True) if new != old or not new.is_done
    )
    return StackChange(
        stack=stack, rollouts=replace(known, current=changed), changed=names, message=_DONE[request.action]
    )


def _nothing_to_do(
    request: RolloutActionRequested, stack: StackSpec, rollout: Rollout, parts: list[GroupRollout]
) -> str:
    """Why the request changes nothing, because all parts are so already; "" where it does, or no part is left."""
    if not parts or rollout.state is RolloutState.ABORTED:
        return ""
    if request.action is RolloutAction.PAUSE and all(part.paused for part in parts):
        return f"{parts[0].paused} already; nothing changes"
    if request.action is RolloutAction.RESUME and not any(part.paused or part.problem for part in parts):
        return "neither paused nor failed; nothing changes"
    if request.action is RolloutAction.PROMOTE:
        specs = {spec.id: spec for spec in stack.groups}
        if rollout.is_all_at_once or not any(_has_step(specs.get(part.group), part, rollout) for part in parts):
            return "it is in no step that could be ended; nothing changes"
    return ""


def _has_step(spec: GroupSpec | None, part: GroupRollout, rollout: Rollout) -> bool:
    return spec is not None and part.step < len(update_of(spec, rollout).steps)


_DONE = {RolloutAction.PAUSE: "paused", RolloutAction.RESUME: "resumed", RolloutAction.PROMOTE: "promoted"}


def _abort(
    request: RolloutActionRequested, stack: StackSpec, known: Rollouts, rollout: Rollout, now: Instant
) -> StackChange | Done | Refused:
    if request.service:
        message = "a rollout is aborted as a whole; pause a service of it, or give the stack alone"
        return Refused(kind="invalid", message=message)
    if rollout.state is RolloutState.ABORTED:
        return Done(message=f"rollout {rollout.number} is aborted already; nothing changes")
    cause = request.cause or f"aborted by {request.asked_by or 'somebody'}"
    changed = replace(rollout, state=RolloutState.ABORTED, cause=cause, ended_at=now)
    known = replace(known, current=changed)
    return StackChange(stack=stack, rollouts=known, changed=_left(rollout), message="aborted: it stays as it is")


def _left(rollout: Rollout) -> tuple[str, ...]:
    return tuple(str(part.group) for part in rollout.groups if not part.is_done)


def _back(request: RolloutActionRequested, stack: StackSpec, rollout: Rollout, now: Instant) -> StackChange | Refused:
    """The stack as it was before the rollout, with its current instances; stopped groups stay stopped."""
    if request.service:
        message = "a stack goes back as a whole; give the stack alone, or submit a file with the service as it was"
        return Refused(kind="invalid", message=message)
    now_there = {spec.id: spec for spec in stack.groups}
    groups = tuple(_as_before(spec, now_there.get(spec.id)) for spec in rollout.before)
    if groups == stack.groups:
        message = f"rollout {rollout.number} of {request.stack} changes nothing that could go back"
        return Refused(kind="conflict", message=message)
    why = request.cause or f"asked by {request.asked_by or 'somebody'}"
    changed = replace(
        stack,
        groups=groups,
        index=stack.index + 1,
        submitted_at=now,
        submitted_by=request.asked_by,
        message=f"rollback of {rollout.number}: {why}",
    )
    names = {str(spec.id) for spec in (*groups, *stack.groups) if now_there.get(spec.id) != spec or spec not in groups}
    return StackChange(stack=changed, changed=tuple(sorted(names)), message="rolling back")


def _as_before(spec: GroupSpec, now: GroupSpec | None) -> GroupSpec:
    if now is None:
        return spec
    generation = (
        max(spec.generation, now.generation) if is_same_container(spec.version, now.version) else spec.generation
    )
    instances = spec.fitting(now.instances)
    return replace(spec, instances=instances, is_stopped=now.is_stopped, generation=generation, signals=now.signals)
