"""Stacks in bodies: from JSON to a checked Stack, and from the view back."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.concurrency import run_in_threadpool

from framework.api.errors import Problem
from framework.core.views import StackView
from specs.errors import StackError
from specs.load import stack_from_json
from specs.stack import Group, Stack


async def stack_from_body(body: bytes, name: str) -> Stack:
    """The stack that a body holds; raises Problem with all its faults."""
    return await run_in_threadpool(_parse, body, name)


def stack_of(view: StackView) -> Stack:
    """The stack as it was submitted, with the numbers that scaling gave it since."""
    return Stack(
        name=view.wish.name,
        groups=tuple(
            Group(
                id=group.wish.id,
                instances=group.wish.instances,
                container=group.container,
                resources=group.resources,
                restart=group.wish.restart,
                dependencies=group.wish.dependencies,
                metadata=group.wish.metadata,
            )
            for group in view.groups
        ),
    )


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
