"""Groups of which the pace can never replace a task, however well all are: people are warned before they need it. Pure.

An update or a restart of such a group fails at its deadline, and a task on an agent that drains stays there.
"""

from __future__ import annotations

from collections.abc import Iterator

from framework.core.groups.pace import WHAT_MOVES_IT, pace_of
from framework.core.model import GroupSpec
from framework.core.views import View
from specs.ids import GroupId
from specs.model.constraints import Mode
from specs.model.stack import Container, Group
from specs.model.update import Update

_MANY = 1000
"""Agents on which a global group is taken to run before that is known."""


def warnings_of(view: View, changed: tuple[str, ...]) -> tuple[str, ...]:
    """The warnings about these groups, as they are now."""
    groups = [group for stack in view.stacks.values() for group in stack.groups if str(group.spec.id) in changed]
    return tuple(line for group in groups for line in warned(group.spec, group.container, group.wanted))


def warned(group: Group | GroupSpec, container: Container, slots: int) -> Iterator[str]:
    """The warnings about a group of so many slots, 0 where that is not known."""
    numbers = [slots or (_MANY if group.mode is Mode.GLOBAL else group.instances)]
    if group.autoscale is not None:
        numbers.append(group.autoscale.min)
    for word, update in (("update", group.update), ("rollback", group.rollback)):
        frozen = [n for n in numbers if update is not None and pace_of(update, None, n, container).is_frozen]
        if update is not None and frozen:
            yield _warning(group.id, word, update, frozen[0])


def _warning(id: GroupId, word: str, update: Update, slots: int) -> str:
    why = "stop-first" if update.order is not None else "stop-first, as two of its tasks would be in each other's way"
    of = "with one task" if slots == 1 else f"with {slots} tasks" if slots != _MANY else "on any number of agents"
    return (
        f"{id}: {of} its {word} can replace none: it is {why}, and min_healthy ({update.min_healthy}) keeps all of them"
        f" ready. A change of it would fail, and a task on an agent that drains would stay there: {WHAT_MOVES_IT}"
    )
