"""Rights: who may use a route. Each route declares one among its dependencies; a route that declares none is closed.

The guard looks at the right when only the head of a request is there. A right never follows from the text of a path: a
stack may have the name of a route.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from fastapi import Depends, Security
from fastapi.routing import RouteContext, iter_route_contexts
from fastapi.security import HTTPBearer
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from framework.api.errors import Problem

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Right(Enum):
    """OPEN: anyone. TOKEN: holders of the token. KEY: holders of the key in the path, which the route checks."""

    OPEN = "open"
    TOKEN = "token"
    KEY = "key"
    CLOSED = "closed"
    """Nobody: the route declares no right."""


def _mark() -> Callable[[], Coroutine[Any, Any, None]]:
    """A new dependency that marks routes and does nothing else."""

    async def mark() -> None:
        return

    return mark


_open, _key, _stack_body, _at_once, _archive = (_mark() for _ in range(5))
_BEARER = HTTPBearer(auto_error=False, description="the content of the scheduler's --token-file")

OPEN = Depends(_open)
TOKEN = Security(_BEARER)
KEY = Depends(_key)
STACK_BODY = Depends(_stack_body)
"""Beside a right: the body is a stack, and may be as large as one."""
AT_ONCE = Depends(_at_once)
"""Beside a right: the answer is small and waits for nothing, so that it is given however busy the server is."""
ARCHIVE = Depends(_archive)
"""Beside a right: agents fetch the executor here, in room of their own."""

_RIGHTS: dict[Callable[..., Any] | None, Right] = {_open: Right.OPEN, _BEARER: Right.TOKEN, _key: Right.KEY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The declarations of a route: who may use it, and the marks beside that. `path` has parameters' names, no values:
    a value may be a key. `key` is the one in the path of a request, "" where it has none."""

    right: Right
    path: str = "no route"
    key: str = field(default="", repr=False)
    has_stack_body: bool = False
    is_at_once: bool = False
    is_archive: bool = False


def declared_by(route: RouteContext) -> Access:
    """The declarations of a route; CLOSED where it declares no right, or several that differ."""
    marks = [each.dependency for each in getattr(route, "dependencies", ())]
    rights = {_RIGHTS[mark] for mark in marks if mark in _RIGHTS}
    right = rights.pop() if len(rights) == 1 else Right.CLOSED
    return Access(
        right=right,
        path=str(route.path),
        has_stack_body=_stack_body in marks,
        is_at_once=_at_once in marks,
        is_archive=_archive in marks,
    )


def access_of(routes: Sequence[BaseRoute], scope: Scope) -> Access:
    """The access to the route that answers this request. Where there is none the application can only say so: then
    reading is open, and everything else wants the token."""
    for route in iter_route_contexts(routes):
        match, found = route.matches(scope)
        if match is Match.FULL:
            return replace(declared_by(route), key=str(found.get("path_params", {}).get("key", "")))
    return Access(right=Right.OPEN if scope["method"] in SAFE_METHODS else Right.TOKEN)


def closed(scope: Scope) -> Problem:
    """The answer of a route that declares no right."""
    return Problem(
        403,
        f"{scope['method']} {scope['path'][:200]} does not say who may use it, so nobody may. This is a bug in the"
        " scheduler's API; please report it.",
    )
