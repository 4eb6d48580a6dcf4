"""Answers about stacks: a line for each, or one with its groups and its definition."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from framework.api.answers.base import Seconds, Shape, Standing, standing
from framework.api.answers.groups import GroupLine, group_line
from framework.core.read.gone_agents import why_not_over
from framework.core.read.plan import stack_of
from framework.core.views import GroupState, StackView, View
from specs.file.load import stack_to_json

_STATES_BY_URGENCY = (
    GroupState.FAILED,
    GroupState.WAITING,
    GroupState.CHANGING,
    GroupState.REMOVING,
    GroupState.RUNNING,
    GroupState.FINISHED,
    GroupState.STOPPED,
)


class StackLine(Shape):
    name: Annotated[str, Field(examples=["shop"])]
    state: Annotated[
        str,
        Field(description="running, waiting, changing, stopped, removing, finished or failed", examples=["running"]),
    ]
    ready: Annotated[int, Field(examples=[8])]
    wanted: Annotated[int, Field(examples=[8])]
    groups: Annotated[int, Field(examples=[5])]
    index: Annotated[int, Field(description="raised by every change", examples=[7])]
    submitted_at: Seconds
    submitted_by: Annotated[str, Field(examples=["anna@desk"])]
    message: Annotated[str, Field(examples=["the new catalogue"])]
    is_removed: bool
    awaited: Annotated[str, Field(description="agents that it waits for, and what helps; empty: none")]


class StacksAnswer(Standing):
    stacks: list[StackLine]


class StackAnswer(Standing, StackLine):
    """A stack with its groups; `definition` is what PUT takes."""

    group_lines: list[GroupLine]
    definition: dict[str, Any]


def stacks_answer(view: View) -> StacksAnswer:
    """All stacks by name."""
    return {**standing(view), "stacks": [stack_line(view.stacks[name]) for name in sorted(view.stacks)]}


def stack_answer(view: View, stack: StackView) -> StackAnswer:
    """A stack with its groups and its definition."""
    return {
        **standing(view),
        **stack_line(stack),
        "group_lines": [group_line(view, group) for group in stack.groups],
        "definition": stack_to_json(stack_of(stack)),
    }


def stack_line(stack: StackView) -> StackLine:
    """A stack in a line."""
    spec = stack.spec
    return {
        "name": spec.name,
        "state": stack_state(stack).value,
        "ready": sum(group.ready for group in stack.groups),
        "wanted": sum(group.wanted for group in stack.groups),
        "groups": len(stack.groups),
        "index": spec.index,
        "submitted_at": spec.submitted_at,
        "submitted_by": spec.submitted_by,
        "message": spec.message,
        "is_removed": spec.is_removed,
        "awaited": next(filter(None, map(why_not_over, stack.groups)), ""),
    }


def stack_state(stack: StackView) -> GroupState:
    """The state of the group that needs attention most."""
    states = {group.state for group in stack.groups}
    if stack.spec.is_removed:
        return GroupState.REMOVING
    return next((state for state in _STATES_BY_URGENCY if state in states), GroupState.RUNNING)
