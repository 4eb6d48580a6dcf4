"""Stacks in bodies: from JSON to a checked Stack."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.concurrency import run_in_threadpool

from framework.api.errors import Problem
from specs.errors import StackError
from specs.load import stack_from_json
from specs.stack import Stack


async def stack_from_body(body: bytes, name: str) -> Stack:
    """The stack that a body holds; raises Problem with all its faults."""
    return await run_in_threadpool(_parse, body, name)


def _parse(body: bytes, name: str) -> Stack:
    try:
        plain: Any = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Problem(400, f"The body is not JSON: {error}.", [("body", str(error))]) from None
    return _load(plain, name)


def _load(plain: Any, name: str) -> Stack:
    try:
        return stack_from_json(plain, name=name)
    except StackError as error:
        faults = error.faults
        count = "a mistake" if len(faults) == 1 else f"{len(faults)} mistakes"
        raise Problem(
            422,
            f"The stack {name} has {count}. Nothing was changed.",
            [(fault.path or "body", fault.message) for fault in faults],
        ) from None
