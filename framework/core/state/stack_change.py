"""The decided change of one stack, between its decision and its save."""

from __future__ import annotations

from dataclasses import dataclass

from framework.core.model import History, Rollouts, StackSpec, Version
from specs.ids import TaskId
from specs.model.stack import KillOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class StackChange:
    """A stack's spec as it shall be, and its history with that. `changed` are the groups that are not as before;
    `message` tells the asker. `killed` are tasks that stop with it, and `killed_because` says why; `order` is which go
    first of others."""

    stack: StackSpec
    history: History | None = None
    versions: tuple[Version, ...] = ()
    changed: tuple[str, ...] = ()
    message: str = ""
    rollouts: Rollouts | None = None
    """What the stack's rollouts are then, None where they stay as they are."""
    killed: tuple[TaskId, ...] = ()
    killed_because: str = ""
    order: KillOrder | None = None
