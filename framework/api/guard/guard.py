"""The layer that each request passes first: Host, rights, room, the size and the time of the body, the safe headers."""

from __future__ import annotations

import hmac
from collections.abc import Callable, MutableMapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from framework.api.errors import Problem, error_answer
from framework.api.guard.admission import Admission
from framework.api.guard.body_limits import Body, too_large
from framework.api.guard.connections import connection_of
from framework.api.guard.hosts import Hosts
from framework.api.guard.rights import SAFE_METHODS, Access, Right, access_of, closed
from framework.api.info import Limits

KNOWN = "framework.is_known"
"""Under this name a request's scope says whether it has the token, or is an executor's."""
ROUTE = "framework.route"
"""Under this name a request's scope has the path of its route, to be logged: keys stand in the paths of requests."""
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
    """The outermost layer. The right that a request needs is declared by its route, one of `routes`.

    A request is known by the token, or by a key in its path that opens a session, as `opens` says. A standby passes the
    request on with its body instead, so there the key makes nobody known.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: str | None,
        hosts: Hosts,
        limits: Limits,
        routes: Sequence[BaseRoute],
        opens: Callable[[str], bool] = lambda _: False,
        is_standby: Callable[[], bool] = lambda: False,
    ) -> None:
        self._app = app
        self._routes = routes
        self._token = token
        self._hosts = hosts
        self._limits = limits
        self._opens = opens
        self._is_standby = is_standby
        self._admission = Admission(limits, has_token=token is not None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        access = access_of(self._routes, scope)
        headers = Headers(scope=scope)
        scope[ROUTE] = access.path
        scope[KNOWN] = is_known = self._is_known(access, headers)
        connection = connection_of(scope)
        if connection is not None:
            connection.is_known = is_known
        refusal = self._refusal(scope, access, headers)
        if refusal is not None:
            refused = error_answer(refusal.status_code, refusal.message, refusal.details, refusal.headers)
            await refused(scope, receive, answer)
            return
        body = Body(
            receive,
            most=self._body_limit(access),
            limits=self._limits,
            lane=self._admission.bodies if _has_body(headers) and not is_known else None,
            has_answered=lambda: answer.has_begun,
        )
        with self._room(access, scope):
            try:
                await self._app(scope, body, answer)
            finally:
                body.close()

    def _room(self, access: Access, scope: Scope) -> AbstractContextManager[None]:
        if access.is_at_once:
            return nullcontext()
        connection = connection_of(scope)
        if access.is_archive and connection is not None:
            return self._admission.archives.place(connection.give_way)
        return self._admission.place(is_known=scope[KNOWN])

    def _refusal(self, scope: Scope, access: Access, headers: Headers) -> Problem | None:
        if strange := self._hosts.refusal(headers):
            return strange
        if scope["method"] not in SAFE_METHODS and _is_foreign(headers):
            return Problem(
                403,
                f"A page of {headers['origin'][:200]} wants to change something here. Only pages of this address may.",
            )
        if access.right is Right.CLOSED:
            return closed(scope)
        if access.right is Right.TOKEN and not self._may_change(headers):
            return Problem(
                401,
                "This changes something, and for that the scheduler wants its token: wanted the header 'Authorization: "
                "Bearer TOKEN' with the content of the scheduler's --token-file; got "
                f"{'another token' if 'authorization' in headers else 'none'}. With the command line: --token-file, or "
                "FRAMEWORK_TOKEN_FILE.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        if "content-length" in headers and "transfer-encoding" in headers:
            return Problem(
                400,
                "The length of the body is said twice, by Content-Length and by Transfer-Encoding: wanted one of them.",
                headers={"Connection": "close"},
            )
        limit = self._body_limit(access)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > limit:
            return too_large(limit, length)
        if access.is_at_once or access.is_archive:
            return None
        return self._admission.refusal(is_known=scope[KNOWN])

    def _is_known(self, access: Access, headers: Headers) -> bool:
        if access.right is Right.KEY and not self._is_standby() and self._opens(access.key):
            return True
        return self._token is not None and self._has_token(headers, self._token)

    def _may_change(self, headers: Headers) -> bool:
        return self._token is None or self._has_token(headers, self._token)

    def _has_token(self, headers: Headers, token: str) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())

    def _body_limit(self, access: Access) -> int:
        return self._limits.stack_bytes if access.has_stack_body else self._limits.body_bytes


class _Answer:
    """Sends in place of `send`: adds the safe headers, and knows whether the answer has begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.has_begun = False

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.has_begun = True
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)


def _has_body(headers: Headers) -> bool:
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


def _is_foreign(headers: Headers) -> bool:
    """Whether a browser says that another site's page asks."""
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2] != headers.get("host")
