"""What every request passes first: Host, the count of requests, rights, the size of the body, the safe headers."""

from __future__ import annotations

import hmac
from collections.abc import MutableMapping, Sequence
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from framework.api.errors import Problem, error_answer
from framework.api.hosts import Hosts
from framework.api.info import Limits
from framework.api.rights import SAFE_METHODS, Access, Right, access_of, closed

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """The outermost layer. The right that a request needs is declared by its route, one of `routes`."""

    def __init__(
        self, app: ASGIApp, *, token: str | None, hosts: Hosts, limits: Limits, routes: Sequence[BaseRoute]
    ) -> None:
        self._app = app
        self._routes = routes
        self._token = token
        self._hosts = hosts
        self._limits = limits
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = _with_headers(send)
        access = access_of(self._routes, scope)
        refusal = self._refusal(scope, access)
        if refusal is not None:
            answer = error_answer(refusal.status_code, refusal.message, refusal.details, refusal.headers)
            await answer(scope, receive, send)
            return
        self._running += 1
        try:
            await self._app(scope, _bounded(receive, self._body_limit(access)), send)
        finally:
            self._running -= 1

    def _refusal(self, scope: Scope, access: Access) -> Problem | None:
        headers = Headers(scope=scope)
        if strange := self._hosts.refusal(headers):
            return strange
        if self._running >= self._limits.requests:
            return Problem(
                503,
                f"{self._running} requests are being answered, which is the limit. Try again in a moment.",
                headers={"Retry-After": "1"},
            )
        if scope["method"] not in SAFE_METHODS and _is_foreign(headers):
            return Problem(
                403,
                f"A page of {headers['origin'][:200]} wants to change something here. Only pages of this address may.",
            )
        if access.right is Right.CLOSED:
            return closed(scope)
        if access.right is Right.TOKEN and not self._has_token(headers):
            return Problem(
                401,
                "This changes something, and for that the scheduler wants its token: wanted the header 'Authorization: "
                "Bearer TOKEN' with the content of the scheduler's --token-file; got "
                f"{'another token' if 'authorization' in headers else 'none'}. With the command line: --token-file, or "
                "FRAMEWORK_TOKEN_FILE.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        limit = self._body_limit(access)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > limit:
            return _too_large(limit, length)
        return None

    def _has_token(self, headers: Headers) -> bool:
        if self._token is None:
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self._token.encode())

    def _body_limit(self, access: Access) -> int:
        return self._limits.stack_bytes if access.has_stack_body else self._limits.body_bytes


def _is_foreign(headers: Headers) -> bool:
    """Whether a browser says that another site's page asks."""
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2] != headers.get("host")


def _too_large(limit: int, got: str) -> Problem:
    return Problem(
        413,
        f"The body is too large: wanted at most {limit:,} bytes, got {got}. Nothing was changed.",
        headers={"Connection": "close"},
    )


def _bounded(receive: Receive, limit: int) -> Receive:
    """The same body, but for the piece with which it exceeds the limit."""
    received = 0

    async def bounded() -> Message:
        nonlocal received
        message = await receive()
        if message["type"] == "http.request":
            received += len(message.get("body", b""))
            if received > limit:
                raise _too_large(limit, "more")
        return message

    return bounded


def _with_headers(send: Send) -> Send:
    async def wrapped(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return wrapped
