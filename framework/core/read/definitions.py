"""Definitions that a stack had, told from a view: as they were given, and as a rollback would bring them back."""

from __future__ import annotations

from collections.abc import Iterable

from framework.core.commands import Refused
from framework.core.model import GroupSpec, History, Revision
from framework.core.read.plan import group_with
from framework.core.stacks.history import definition, returned, target
from framework.core.views import HistoryView, View
from specs.model.stack import Stack


def stack_at(name: str, history: HistoryView, number: int) -> tuple[Revision, Stack] | Refused:
    """The definition that the stack had at a revision, and the revision that gave it."""
    found = definition(History(stack=name, revisions=history.revisions), number)
    if isinstance(found, Refused):
        return found
    return found, _stack(name, history, found.groups or ())


def stack_back(view: View, name: str, to: int | None, *, with_instances: bool) -> tuple[Revision, Stack] | Refused:
    """The stack that a rollback would submit now, and the revision that it comes from."""
    seen, stack = view.histories.get(name), view.stacks.get(name)
    history = History(stack=name, revisions=seen.revisions) if seen else None
    spec = stack.spec if stack else None
    found = target(history, spec, name, to, with_instances=with_instances)
    if isinstance(found, Refused) or seen is None:
        return found if isinstance(found, Refused) else Refused(kind="not_found", message=f"{name} has no history")
    current = None if spec is None or spec.is_removed else spec
    return found, _stack(name, seen, returned(found, current, with_instances=with_instances))


def _stack(name: str, history: HistoryView, specs: Iterable[GroupSpec]) -> Stack:
    versions = history.versions
    groups = (group_with(spec, versions[spec.version].container, versions[spec.version].resources) for spec in specs)
    return Stack(name=name, groups=tuple(groups))
