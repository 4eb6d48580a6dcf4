"""From an HTTP request to a request to the core, and from its outcome to an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from framework.api.errors import OUTCOME_UNKNOWN, Problem
from framework.api.guard.repeating import with_key
from framework.core.commands import Done, Refused
from framework.core.events import UserRequest
from framework.core.views import View
from framework.core.volatile import Connection
from framework.ports import Front

_STATUS = {"not_found": 404, "conflict": 409, "invalid": 422, "unavailable": 503}


def known(front: Front) -> View:
    """The view, once there is something in it; raises Problem while the scheduler reads its store."""
    view = front.view
    if view.connection is Connection.LOADING:
        raise Problem(
            503,
            view.problem
            or "The scheduler is reading its store, and does not know its stacks yet. Try again in a moment.",
            headers={"Retry-After": "1"},
        )
    return view


def problem_of(refused: Refused) -> Problem:
    """A refusal of the core as an answer."""
    return Problem(_STATUS.get(refused.kind, 409), refused.message, refused.details)


async def ask(front: Front, make: Callable[[int], UserRequest], timeout_seconds: float) -> Done:
    """The outcome of a request; raises Problem where it was refused, or has no outcome in time."""
    future = asyncio.wrap_future(front.request(lambda request_id: with_key(make(request_id))))
    # Not wait_for: it would cancel the future, which the loop still resolves.
    await asyncio.wait({future}, timeout=timeout_seconds)
    if not future.done():
        said = front.view.problem
        raise Problem(
            503,
            f"The scheduler did not answer within {timeout_seconds:g} s"
            + (f" ({said})" if said else "")
            + ". What was asked may still happen: look before you ask again.",
            headers=OUTCOME_UNKNOWN,
        )
    outcome = future.result()
    if isinstance(outcome, Refused):
        raise problem_of(outcome)
    return outcome
