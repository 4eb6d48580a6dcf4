"""The decided change of one stack, between its decision and its save."""

from __future__ import annotations

from dataclasses import dataclass

from framework.core.model import History, Rollouts, StackSpec, Version
from specs.ids import TaskId
from specs.model.stack import KillOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class StackChange:
    """A change of a stack that is decided, and counts once it is stored."""

    #: The new spec.
    stack: StackSpec
    #: The history with this change, None where the spec stays.
    history: History | None = None
    #: The versions that the new spec needs; the store may have some of them.
    versions: tuple[Version, ...] = ()
    #: The groups that differ, as texts.
    changed: tuple[str, ...] = ()
    #: For the answer.
    message: str = ""
    #: The rollouts after this change, None where they stay.
    rollouts: Rollouts | None = None
    #: Tasks that stop with it, and why, as a phrase.
    killed: tuple[TaskId, ...] = ()
    killed_because: str = ""
    #: The tasks that a scale-down stops first, None for the groups' own order.
    order: KillOrder | None = None
