"""Stacks in bodies: from JSON to a checked Stack, and from the view back."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.concurrency import run_in_threadpool

from framework.api.errors import Problem
from framework.core.views import StackView
from specs.canonical import from_plain
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
        stack = from_plain(Stack, plain)
    except (ValueError, TypeError, AttributeError) as error:
        raise Problem(422, str(error)) from None
    assert isinstance(stack, Stack)
    if stack.name != name:
        raise Problem(422, f"The body is of the stack {stack.name}, the address of {name}.", [("name", "differs")])
    return stack
