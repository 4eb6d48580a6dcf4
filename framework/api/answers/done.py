"""Answers to requests that change something."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, NotRequired

from pydantic import Field

from framework.api.answers.base import Shape
from framework.core.commands import Done


class ChangeAnswer(Shape):
    """The change is stored. `changed` are the groups for which something changed."""

    changed: Annotated[list[str], Field(examples=[["shop/web[prod]"]])]
    index: Annotated[int, Field(description="the stack's index from now on", examples=[8])]
    message: Annotated[str, Field(examples=["unchanged"])]


class DoneAnswer(ChangeAnswer):
    """The change is stored. `changed` are the groups for which something changed."""

    warnings: NotRequired[
        Annotated[
            list[str],
            Field(description="what a scaling may have made impossible; only after one, and empty for a repeated try"),
        ]
    ]


class SubmitAnswer(ChangeAnswer):
    """The change is stored. `warnings` name settings that may be meant and may be a mistake."""

    warnings: Annotated[
        list[str],
        Field(
            examples=[["shop/web: near other/redis on hostname: no group is there now; it waits until one has a task"]]
        ),
    ]


class MessageAnswer(Shape):
    message: Annotated[str, Field(examples=["the scheduler at 10.0.0.9:8080 steps down; 10.0.0.10:8080 takes over"])]


def done_answer(done: Done) -> DoneAnswer:
    """The answer to a request that was carried out."""
    return {"changed": list(done.changed), "index": done.index, "message": done.message}


def warned_answer(done: Done, warnings: Iterable[str]) -> DoneAnswer:
    """The same with warnings."""
    return {"changed": list(done.changed), "index": done.index, "message": done.message, "warnings": list(warnings)}


def submit_answer(done: Done, warnings: Iterable[str]) -> SubmitAnswer:
    """The answer to a submit that was carried out."""
    return {"changed": list(done.changed), "index": done.index, "message": done.message, "warnings": list(warnings)}
