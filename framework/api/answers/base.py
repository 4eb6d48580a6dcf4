"""The base of all answers: their class, the head that every list has, and the writing as JSON.

A shape is a TypedDict, so an answer is the plain dict that orjson writes fastest. Whoever fills one is held to it by
mypy, key by key; pydantic reads the same class where the OpenAPI document is made, and in tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from pydantic import ConfigDict, Field, with_config
from starlette.responses import Response

# pydantic cannot read typing.TypedDict before Python 3.12.
from typing_extensions import TypedDict

from framework.core.views import View

Seconds = Annotated[float, Field(description="seconds since 1970", examples=[1732170000.5])]


@with_config(ConfigDict(extra="forbid", strict=True))
class Shape(TypedDict):
    """An object of an answer. Its keys are always there, unless one is declared NotRequired."""


class Json(Response):
    """A shape, or a list of shapes, as a JSON document that ends with a newline."""

    media_type = "application/json"

    def render(self, content: Mapping[str, object] | list[Any]) -> bytes:
        """The document, by orjson: a list of thousands of tasks must not hold up the scheduler."""
        return orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)


class Standing(Shape):
    at: Seconds
    connection: Annotated[str, Field(description="loading, connecting or subscribed", examples=["subscribed"])]
    problem: str


def standing(view: View) -> Standing:
    """The head of an answer: when its view was made, and whether the scheduler can work."""
    return {"at": view.at, "connection": view.connection.value, "problem": view.problem}
