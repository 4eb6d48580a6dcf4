"""Stacks in bodies: from JSON to a checked Stack."""

from __future__ import annotations

from typing import Any

import anyio
import orjson
from anyio import to_thread
from anyio.lowlevel import RunVar

from framework.api.errors import Problem
from specs.file.load import stack_from_json
from specs.model.errors import StackError
from specs.model.stack import Stack

_AT_A_TIME = 4
_changing: RunVar[anyio.CapacityLimiter] = RunVar("stacks that are submitted")
_asking: RunVar[anyio.CapacityLimiter] = RunVar("stacks that are planned")


async def stack_from_body(body: bytes, name: str, *, is_changing: bool) -> Stack:
    """The stack that a body holds; raises Problem with all its faults. A check may take 20 s, for which
    templates are tried: a few are checked at a time, and those that anyone may ask for hold up no change."""
    limiters = _changing if is_changing else _asking
    try:
        limiter = limiters.get()
    except LookupError:
        limiters.set(limiter := anyio.CapacityLimiter(_AT_A_TIME))
    return await to_thread.run_sync(_parse, body, name, limiter=limiter)


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
