"""Other tries of a request: the header that names a request, and the answer to one that has changed something already.

Whoever sends `Idempotency-Key` with a change may send the request again for as long as there is no answer, to any
scheduler: it is one change. The core decides that (framework.core.stacks.repeated_requests); this layer reads the
header, sums the body up, and answers where the request itself would no longer be understood, such as the kill of a
task that is gone.
"""

from __future__ import annotations

import hashlib
from contextvars import ContextVar
from dataclasses import replace

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from framework.api.answers.base import Json
from framework.api.answers.done import warned_answer
from framework.api.errors import error_answer
from framework.api.guard.rights import SAFE_METHODS
from framework.core.commands import Refused
from framework.core.events import UserRequest
from framework.core.model import Answered, RequestKey
from framework.core.stacks.repeated_requests import KEPT_SECONDS, answer_of
from framework.ports import Front

HEADER = "Idempotency-Key"
MOST_LETTERS = 128
_ACCEPTED = 202


class _Try:
    """A request with a key, as far as its body was read."""

    def __init__(self, key: str, scope: Scope) -> None:
        self._key = key
        self._hash = hashlib.sha256()
        for part in (scope["method"].encode(), scope["path"].encode(), scope["query_string"]):
            self._hash.update(part + b"\n")

    def add(self, piece: bytes) -> None:
        """Takes the next piece of the body."""
        self._hash.update(piece)

    @property
    def request_key(self) -> RequestKey:
        """The name of the request, once all of its body was read."""
        return RequestKey(text=self._key, digest=self._hash.hexdigest())


_CURRENT: ContextVar[_Try | None] = ContextVar("request_with_a_key", default=None)


def with_key(ask: UserRequest) -> UserRequest:
    """The ask with the key of the request that is being answered, where it has one."""
    known = _CURRENT.get()
    return ask if known is None else replace(ask, request_key=known.request_key)


class Repeats:
    """The layer around all routes of a scheduler that answers requests itself."""

    def __init__(self, app: ASGIApp, *, front: Front) -> None:
        self._app = app
        self._front = front

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        may_change = scope["type"] == "http" and scope["method"] not in SAFE_METHODS
        key = Headers(scope=scope).get(HEADER) if may_change else None
        if key is None:
            await self._app(scope, receive, send)
            return
        if not 0 < len(key) <= MOST_LETTERS or not key.isascii() or not key.isprintable():
            message = (
                f"The header {HEADER} wants 1 to {MOST_LETTERS} printable ASCII letters, the same for each try of one"
                f" request, such as a UUID; got {len(key)} letters. Nothing was changed."
            )
            await error_answer(400, message, [(f"header.{HEADER}", "is no key")])(scope, receive, send)
            return
        current = _Try(key, scope)
        known = self._front.view.answers.get(key)
        if known is not None and self._front.view.at - known.at <= KEPT_SECONDS:
            await _again(known, current, scope, receive, send)
            return
        token = _CURRENT.set(current)
        try:
            await self._app(scope, _summed(receive, current), send)
        finally:
            _CURRENT.reset(token)


def _summed(receive: Receive, current: _Try) -> Receive:
    """The same body, which is summed up as it is read."""

    async def summed() -> Message:
        message = await receive()
        if message["type"] == "http.request":
            current.add(message.get("body", b""))
        return message

    return summed


async def _again(known: Answered, current: _Try, scope: Scope, receive: Receive, send: Send) -> None:
    """Answers another try of a request that has changed something: as the first one, or that it is another request."""
    is_whole = False
    while not is_whole:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        current.add(message.get("body", b""))
        is_whole = not message.get("more_body", False)
    outcome = answer_of(known, current.request_key)
    if isinstance(outcome, Refused):
        await error_answer(422, outcome.message, [(f"header.{HEADER}", "was given to a different request")])(
            scope, receive, send
        )
        return
    # Some routes answer with warnings; they were of the moment, and are not stored.
    await Json(warned_answer(outcome, ()), _ACCEPTED)(scope, receive, send)
