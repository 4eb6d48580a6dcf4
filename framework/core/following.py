"""Restarts that follow from a change: groups that are to be restarted when what they depend on was changed."""

from __future__ import annotations

from dataclasses import replace

from framework.core.asks import Change
from framework.core.model import GroupWish, Rollout, StackWish
from specs.stack import OnChange


def with_restarts(change: Change, old: StackWish | None) -> Change:
    """The change, in which those are restarted too that depend on what it changes or restarts and say so, and those
    that depend on these in the same way.

    They are part of the same stored wish, and so of the same rollout, in which they wait for what they depend on:
    no crash can come between the two.
    """
    if old is None or old.is_removed or change.stack.is_removed:
        return change
    before = {wish.id: wish for wish in old.groups}
    wishes = {wish.id: wish for wish in change.stack.groups}
    moved = {id.service: None for id, wish in wishes.items() if id in before and _is_moved(before[id], wish)}
    left = list(moved)
    restarted: dict[str, None] = {}
    while left:
        needed = left.pop(0)
        for id, wish in wishes.items():
            if id not in before or not _follows(wish, needed) or _is_moved(before[id], wish):
                continue
            wishes[id] = replace(wish, generation=wish.generation + 1)
            restarted[str(id)] = None
            if id.service not in moved:
                moved[id.service] = None
                left.append(id.service)
    if not restarted:
        return change
    changed = tuple(sorted({*change.changed, *restarted}))
    return replace(change, stack=replace(change.stack, groups=tuple(wishes.values())), changed=changed)


def cause_of(wish: GroupWish, rollout: Rollout | None) -> str:
    """Why a group whose settings stayed is restarted by the rollout: "shop/redis was changed"; or that it was asked."""
    for part in rollout.groups if rollout is not None else ():
        if part.group != wish.id and _follows(wish, part.group.service):
            return f"restarted, as {part.group} was changed"
    return "restart asked"


def _follows(wish: GroupWish, service: str) -> bool:
    return any(each.service == service and each.on_change is OnChange.RESTART for each in wish.dependencies)


def _is_moved(old: GroupWish, new: GroupWish) -> bool:
    """Whether it has new containers: it is another version, or was restarted."""
    return old.version != new.version or old.generation != new.generation
