"""What follows from a change: groups that are restarted, or get a signal, when what they depend on was changed."""

from __future__ import annotations

from dataclasses import replace

from framework.core.model import GroupWish, Rollout
from framework.core.stacks.changes import restarted
from framework.core.state.cluster_state import Books
from framework.core.state.stack_change import StackChange
from specs.ids import is_same_make
from specs.model.dependants import Follower, followers
from specs.model.stack import OnChange


def with_followers(change: StackChange, books: Books) -> StackChange:
    """The change, in which those are restarted too, or get a signal, that depend on what it changes or restarts and say
    so; and those that depend on what is restarted, in the same way.

    They are part of the same stored wish, and the restarts of the same rollout, in which they wait for what they depend
    on: no crash can come between the two.
    """
    old = books.stacks.get(change.stack.name)
    if old is None or old.is_removed or change.stack.is_removed:
        return change
    before = {wish.id: wish for wish in old.groups}
    there = {wish.id: wish for wish in change.stack.groups if wish.id in before}
    moved = [id for id, wish in there.items() if _is_moved(before[id], wish)]
    found = followers({id: wish.dependencies for id, wish in there.items()}, moved)
    if not found:
        return change
    wishes = tuple(_following(wish, found.get(wish.id), books) for wish in change.stack.groups)
    changed = tuple(sorted({*change.changed, *map(str, found)}))
    return replace(change, stack=replace(change.stack, groups=wishes), changed=changed)


def _following(wish: GroupWish, follower: Follower | None, books: Books) -> GroupWish:
    if follower is None:
        return wish
    if follower.on_change is OnChange.RESTART:
        return restarted(wish, books)
    return replace(wish, signals=wish.signals + 1)


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
    return not is_same_make(old.version, new.version) or old.generation != new.generation
