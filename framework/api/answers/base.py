"""Answers as JSON, written by orjson: a list of thousands of tasks must not hold up the scheduler."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.responses import Response


class Json(Response):
    """A value as a JSON document that ends with a newline."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)
