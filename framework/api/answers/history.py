"""Answers about the history of a stack, and about going back in it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from framework.api.answers.base import Seconds, Shape, Standing, standing
from framework.api.answers.plans import PlanAnswer, plan_answer
from framework.core.model import Revision
from framework.core.read.plan import Plan
from framework.core.views import HistoryView, View
from specs.file.load import stack_to_json
from specs.model.stack import Stack


class RevisionLine(Shape):
    """A change of a stack's spec."""

    number: Annotated[int, Field(description="the stack's index since then", examples=[7])]
    at: Seconds
    command: Annotated[
        str, Field(description="submit, rollback, scale, restart, stop, start, kill or remove", examples=["scale"])
    ]
    text: Annotated[str, Field(description="what it changed", examples=["scaled web[prod] 4 → 6"])]
    by: Annotated[str, Field(examples=["anna@desk"])]
    message: Annotated[str, Field(examples=["the sale begins"])]
    services: Annotated[list[str], Field(description="in which something changed", examples=[["web"]])]
    has_definition: Annotated[bool, Field(description="whether it gave the stack a definition that is still kept")]


class HistoryAnswer(Standing):
    """Oldest first. `index` is the stack's now, null where it was removed."""

    stack: Annotated[str, Field(examples=["shop"])]
    index: Annotated[int | None, Field(examples=[7])]
    revisions: list[RevisionLine]


class DefinitionAnswer(RevisionLine):
    """`definition` is what PUT takes. All but the number tells of `from_revision`, which gave it."""

    stack: str
    from_revision: Annotated[int, Field(examples=[5])]
    definition: dict[str, Any]


class BackPlan(PlanAnswer):
    """The plan of a rollback, and whither it goes."""

    to: RevisionLine


def history_answer(view: View, name: str, history: HistoryView) -> HistoryAnswer:
    """The changes of a stack, oldest first."""
    stack = view.stacks.get(name)
    return {
        **standing(view),
        "stack": name,
        "index": stack.spec.index if stack else None,
        "revisions": [_revision_line(revision) for revision in history.revisions],
    }


def definition_answer(stack: Stack, number: int, given: Revision) -> DefinitionAnswer:
    """The definition that a stack had at revision `number`, which the revision `given` gave it."""
    return {
        **_revision_line(given),
        "stack": stack.name,
        "number": number,
        "from_revision": given.number,
        "definition": stack_to_json(stack),
    }


def back_plan(view: View, plan: Plan, given: Revision) -> BackPlan:
    """The plan of a rollback to the revision `given`."""
    # 0 is what says that there is no such stack: one that was removed comes back.
    return {**plan_answer(view, plan), "index": 0 if plan.is_new else plan.index, "to": _revision_line(given)}


def _revision_line(revision: Revision) -> RevisionLine:
    return {
        "number": revision.number,
        "at": revision.at,
        "command": revision.command,
        "text": revision.text,
        "by": revision.by,
        "message": revision.message,
        "services": list(revision.services),
        "has_definition": revision.groups is not None,
    }
