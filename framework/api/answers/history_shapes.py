"""The shapes of histories and of going back, as the OpenAPI page tells them."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from framework.api.answers.shapes import Because, Requested, Seconds, Shape, Standing
from framework.api.answers.why_shapes import PlanAnswer


class RevisionLine(Shape):
    """A change of a stack's spec."""

    number: int = Field(description="the stack's index since then", examples=[7])
    at: Seconds
    command: str = Field(
        description="submit, rollback, scale, restart, stop, start, kill or remove", examples=["scale"]
    )
    text: str = Field(description="what it changed", examples=["scaled web[prod] 4 → 6"])
    by: str = Field(examples=["anna@desk"])
    message: str = Field(examples=["the sale begins"])
    services: list[str] = Field(description="in which something changed", examples=[["web"]])
    has_definition: bool = Field(description="whether it gave the stack a definition that is still kept")


class HistoryAnswer(Standing):
    """Oldest first. `index` is the stack's now, null where it was removed."""

    stack: str = Field(examples=["shop"])
    index: int | None = Field(examples=[7])
    revisions: list[RevisionLine]


class DefinitionAnswer(RevisionLine):
    """`definition` is what PUT takes. All but the number tells of `from_revision`, which gave it."""

    stack: str
    from_revision: int = Field(examples=[5])
    definition: dict[str, Any]


class BackBody(Requested):
    """`to` is a revision; null: the newest earlier definition that would change something."""

    to: int | None = Field(default=None, ge=1, le=2**53, strict=True, examples=[5])
    with_instances: bool = Field(default=False, description="the numbers of instances of that time too")


class RollbackBody(BackBody, Because):
    if_unchanged: int | None = Field(
        default=None, ge=0, strict=True, description="the index that the stack must still have; 0: it must be removed"
    )


class BackPlan(PlanAnswer):
    """The plan of a rollback, and whither it goes."""

    to: RevisionLine
