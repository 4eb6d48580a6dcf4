"""From what people ask to a stack's new wish, or to a refusal. Pure: the wish is stored before it counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from framework.core.commands import Refused
from framework.core.events import Ask, RestartAsked, ScaleAsked, StackRemoved, StackSubmitted, StartAsked, StopAsked
from framework.core.model import GroupWish, Instant, Rollouts, StackWish, Version
from specs.canonical import version_of
from specs.constraints import Mode
from specs.ids import VersionId
from specs.stack import Group

MOST_INSTANCES = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A stack's wish as it shall be. `changed` are the groups that are not as before; `message` tells the asker."""

    stack: StackWish
    versions: tuple[Version, ...] = ()
    changed: tuple[str, ...] = ()
    message: str = ""
    rollouts: Rollouts | None = None
    """What the stack's rollouts are then, None where they stay as they are."""


def consider(ask: Ask, stacks: Mapping[str, StackWish], now: Instant) -> tuple[Change, ...] | Refused:
    """What the ask makes of the stacks' wishes; an empty tuple where nothing would be different."""
    if isinstance(ask, StackSubmitted):
        return _submit(ask, stacks.get(ask.stack.name), now)
    if isinstance(ask, StackRemoved):
        return _remove(ask, stacks.get(ask.name))
    if isinstance(ask, ScaleAsked | RestartAsked | StopAsked | StartAsked):
        return _adjust(ask, stacks)
    return Refused(kind="invalid", message=f"{type(ask).__name__} does not change a stack")


def _submit(ask: StackSubmitted, old: StackWish | None, now: Instant) -> tuple[Change, ...] | Refused:
    current = None if old is None or old.is_removed else old
    index = current.index if current else 0
    if ask.if_index is not None and ask.if_index != index:
        return Refused(
            kind="conflict",
            message=f"stack {ask.stack.name} has index {index}, not {ask.if_index}: it was changed meanwhile;"
            " look at the plan again and submit with its index",
        )
    before = {wish.id: wish for wish in current.groups} if current else {}
    ids = ask.versions or tuple(version_of(group) for group in ask.stack.groups)
    made = tuple(zip(ask.stack.groups, ids, strict=True))
    wishes = tuple(_wish(group, id, before.get(group.id)) for group, id in made)
    if current and current.groups == wishes:
        return ()
    changed = [wish.id for wish in wishes if before.get(wish.id) != wish]
    changed += [id for id in before if id not in {wish.id for wish in wishes}]
    versions = {
        id: Version(stack=ask.stack.name, id=id, container=group.container, resources=group.resources)
        for group, id in made
    }
    stack = StackWish(
        name=ask.stack.name,
        groups=wishes,
        index=(old.index if old else 0) + 1,
        submitted_at=now,
        submitted_by=ask.submitted_by,
        message=ask.message,
    )
    return (
        Change(
            stack=stack,
            versions=tuple(versions.values()),
            changed=tuple(str(id) for id in sorted(changed)),
            message="created" if current is None else "changed",
        ),
    )


def _wish(group: Group, version: VersionId, before: GroupWish | None) -> GroupWish:
    return GroupWish(
        id=group.id,
        version=version,
        instances=group.instances,
        is_stopped=before.is_stopped if before else False,
        generation=before.generation if before else 0,
        restart=group.restart,
        dependencies=group.dependencies,
        metadata=group.metadata,
        mode=group.mode,
        rules=group.rules,
        unreachable=group.unreachable,
        update=group.update,
        rollback=group.rollback,
    )


def _remove(ask: StackRemoved, old: StackWish | None) -> tuple[Change, ...] | Refused:
    if old is None:
        return Refused(kind="not_found", message=f"there is no stack {ask.name}; `framework ls` names those there are")
    if old.is_removed:
        return ()
    stack = replace(old, is_removed=True, index=old.index + 1)
    return (Change(stack=stack, changed=tuple(str(wish.id) for wish in old.groups), message="removing"),)


def _adjust(
    ask: ScaleAsked | RestartAsked | StopAsked | StartAsked, stacks: Mapping[str, StackWish]
) -> tuple[Change, ...] | Refused:
    matched = False
    changes: list[Change] = []
    for stack in stacks.values():
        if stack.is_removed:
            continue
        wishes = []
        for wish in stack.groups:
            if not wish.id.matches(ask.pattern):
                wishes.append(wish)
                continue
            matched = True
            adjusted = _adjusted(ask, wish)
            if isinstance(adjusted, Refused):
                return adjusted
            wishes.append(adjusted)
        changed = tuple(str(new.id) for new, old in zip(wishes, stack.groups, strict=True) if new != old)
        if changed:
            new = replace(stack, groups=tuple(wishes), index=stack.index + 1)
            changes.append(Change(stack=new, changed=changed))
    if not matched:
        return Refused(
            kind="not_found", message=f"no group matches {ask.pattern}; `framework ps` names those there are"
        )
    return tuple(changes)


def _adjusted(ask: ScaleAsked | RestartAsked | StopAsked | StartAsked, wish: GroupWish) -> GroupWish | Refused:
    if isinstance(ask, RestartAsked):
        return replace(wish, generation=wish.generation + 1)
    if isinstance(ask, StopAsked):
        return replace(wish, is_stopped=True)
    if isinstance(ask, StartAsked):
        return replace(wish, is_stopped=False)
    if wish.mode is Mode.GLOBAL:
        return Refused(
            kind="invalid",
            message=f"{wish.id} is global: it has one on every agent on which it can run, and no number of its own;"
            " name the groups that are to be scaled, or stop it",
        )
    instances = wish.instances
    if ask.instances is not None:
        instances = ask.instances
    elif ask.delta is not None:
        instances += ask.delta
    elif ask.factor is not None:
        instances = round(instances * ask.factor)
    if not 0 <= instances <= MOST_INSTANCES:
        return Refused(
            kind="invalid",
            message=f"{wish.id} would have {instances} instances; wanted 0 to {MOST_INSTANCES}; it has"
            f" {wish.instances} now",
            details=(("instances", f"{instances} is not in 0..{MOST_INSTANCES}"),),
        )
    return replace(wish, instances=instances)
