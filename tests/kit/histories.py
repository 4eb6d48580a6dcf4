"""Stacks with a history, as views show them."""

from __future__ import annotations

from dataclasses import replace

from framework.core.model import GroupSpec, Revision, Version
from framework.core.views import HistoryView, View
from specs.ids import VersionId
from specs.model.canonical import version_of
from specs.model.stack import Group, Stack
from tests.kit.front import NOW, a_view, an_agent, running


def spec_of(group: Group) -> GroupSpec:
    """The spec of a group as a stack file gives it."""
    return GroupSpec(
        id=group.id,
        version=version_of(group),
        instances=group.instances,
        restart=group.restart,
        mode=group.mode,
        rules=group.rules,
    )


def history_of(*definitions: Stack) -> HistoryView:
    """Revisions 1, 3, 5, ... submit these, and each is scaled afterwards, but the last."""
    revisions: list[Revision] = []
    versions: dict[VersionId, Version] = {}
    for number, stack in enumerate(definitions):
        for group in stack.groups:
            version = version_of(group)
            versions[version] = Version(
                stack=stack.name, id=version, container=group.container, resources=group.resources
            )
        revisions.append(
            Revision(
                number=2 * number + 1,
                at=NOW - 1000 + number,
                command="submit",
                text=f"replaced web of {number}",
                by="anna@desk",
                message=f"release {number}",
                services=("web",),
                groups=tuple(spec_of(group) for group in stack.groups),
            )
        )
        if stack is not definitions[-1]:
            text = "scaled db 1 → 2"
            revisions.append(
                Revision(number=2 * number + 2, at=NOW - 900, command="scale", text=text, services=("db",))
            )
    return HistoryView(revisions=tuple(revisions), versions=versions)


def with_history(*definitions: Stack, is_removed: bool = False) -> View:
    """A view in which the last definition runs, on two agents; or was removed."""
    last, history = definitions[-1], history_of(*definitions)
    stacks = () if is_removed else (running(last, index=history.revisions[-1].number),)
    view = a_view(stacks, agents=[an_agent(1), an_agent(2)])
    return replace(view, histories={last.name: history})
