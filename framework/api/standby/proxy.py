"""Any scheduler answers any request: one that stands by passes it on to the leader, or answers from the store."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, MutableMapping
from concurrent.futures import Future
from typing import Any
from urllib.parse import parse_qs

import anyio
import httpx
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from framework.api.errors import OUTCOME_UNKNOWN, Problem, error_answer
from framework.api.guard.guard import ROUTE
from framework.api.info import ServerInfo
from framework.api.standby.connecting import Connecting
from framework.api.threads import Threads
from framework.core.commands import Outcome, Refused
from framework.core.events import UserRequest
from framework.core.views import EMPTY, View
from framework.ports import Happening, Leadership, StoreFault, is_address

_log = logging.getLogger(__name__)

LEADER = "X-Framework-Leader"
PROXIED_BY = "X-Framework-Proxied-By"
TERM = "X-Framework-Term"
"""Names the leader that a standby means: another process may be at its address now, even of another framework."""
AGE = "X-Framework-Age"

MOST_CONNECTIONS = 320
_KEPT_CONNECTIONS = 32
_KEPT_SECONDS = 15.0
"""Less than the time after which a scheduler closes a connection that nobody uses."""
_CONNECT_SECONDS = 3.0
_SILENCE_SECONDS = 45.0
"""More than a scheduler takes for an answer, and than an event stream is silent."""
_RETRY = {"Retry-After": "1"}

_READS = frozenset({"GET", "HEAD"})
_OF_THE_STORE = ("/v1/stacks", "/v1/groups", "/v1/tasks")
_OWN = frozenset({"/v1/ready", "/docs", "/openapi.json", "/metrics", "/v1/prometheus/targets"})
_HOP_BY_HOP = frozenset(
    {
        *(b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te"),
        *(b"trailer", b"transfer-encoding", b"upgrade"),
    }
)
_NOT_ASKED = _HOP_BY_HOP | {b"expect", b"host", b"origin", PROXIED_BY.lower().encode(), TERM.lower().encode()}
"""Host and Origin were checked here, by the names of this scheduler; the leader has others."""
_NOT_ANSWERED = _HOP_BY_HOP | {b"date", b"server"}

RawHeaders = Iterable[tuple[bytes, bytes]]


class _ClientGone(Exception):
    """The client has closed the connection in the middle of the body."""


class PictureFront:
    """A Front that shows the store and refuses changes: a standby answers from it if the client allows that."""

    def __init__(self) -> None:
        self.view: View = EMPTY

    def request(self, make: Callable[[int], UserRequest]) -> Future[Outcome]:
        """Refuses."""
        future: Future[Outcome] = Future()
        asked = type(make(0)).__name__
        future.set_result(Refused(kind="unavailable", message=f"a standby takes no {asked}; ask the leader"))
        return future

    def happenings(self, after: int) -> tuple[Happening, ...]:  # noqa: ARG002  # a standby sees nothing happen
        """Nothing."""
        return ()

    def subscribe(self, notify: Callable[[], None]) -> Callable[[], None]:  # noqa: ARG002
        """Never calls `notify`."""
        return lambda: None


class Proxy:
    """The layer below the guard. Adds to every answer who leads.

    While this scheduler stands by, a request goes to the leader and its answer comes back piece by piece; those about
    this scheduler itself are answered here, and so are reads of what is stored with `?stale=ok`: by `pictured`, the
    application over `picture`. What was passed on once is not passed on again.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        leadership: Leadership,
        info: ServerInfo,
        executor_path: str,
        picture: PictureFront,
        pictured: ASGIApp,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._app = app
        self._leadership = leadership
        self._address = info.leader
        self._own = _OWN | {executor_path}
        self._picture = picture
        self._pictured = pictured
        self._clock = clock
        self._threads = Threads()
        self._client = httpx.AsyncClient(
            limits=httpx.Limits(
                max_connections=MOST_CONNECTIONS,
                max_keepalive_connections=_KEPT_CONNECTIONS,
                keepalive_expiry=_KEPT_SECONDS,
            ),
            trust_env=False,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = _with_header(send, LEADER, self._leading_address)
        is_here = not self._leadership.is_standby or self._is_own(scope)
        if is_here and not self._is_meant_for_another(scope):
            await self._app(scope, receive, send)
            return
        try:
            if is_here:
                raise self._misdirected(scope)
            if _may_be_stale(scope):
                await self._answer_from_store(scope, receive, send)
            else:
                await self._pass_on(scope, receive, send)
        except Problem as problem:
            answer = error_answer(problem.status_code, problem.message, problem.details, problem.headers)
            await answer(scope, receive, send)
        except _ClientGone:
            return

    def _is_meant_for_another(self, scope: Scope) -> bool:
        """Whether a standby has passed it on to another leader, which was at this address before."""
        meant = Headers(scope=scope).get(TERM)
        return bool(meant and self._leadership.term) and meant != self._leadership.term

    def _misdirected(self, scope: Scope) -> Problem:
        by = Headers(scope=scope).get(PROXIED_BY, "an unknown address")
        return Problem(
            503,
            f"The scheduler at {by} passed this on to another leader than the one that is at {self._address} now."
            " Nothing was changed. Try again in a moment.",
            headers=_RETRY,
        )

    def _leading_address(self) -> str:
        leader = self._leadership.leader
        return leader if is_address(leader) else ""

    def _is_own(self, scope: Scope) -> bool:
        """Whether the request is about this scheduler and no other."""
        if scope["path"] == "/v1/leader":
            return scope["method"] in _READS
        return scope["path"] in self._own or not scope["raw_path"].startswith(b"/")

    async def _answer_from_store(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            view = await self._threads.run(self._leadership.picture)
        except StoreFault as fault:
            raise Problem(503, f"The store cannot be read now: {fault}.", headers=_RETRY) from None
        self._picture.view = view
        age = f"{max(0.0, self._clock() - view.at):.1f}"
        await self._pictured(scope, receive, _with_header(send, AGE, lambda: age))

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        leader = self._leadership.leader
        by = Headers(scope=scope).get(PROXIED_BY)
        if by is not None:
            raise Problem(
                503,
                f"The scheduler at {by} passed this on to the one at {self._address}, which does not lead any more or"
                " not yet. Nothing was changed. Try again in a moment.",
                headers=_RETRY,
            )
        if not leader:
            raise Problem(
                503,
                f"No scheduler leads at the moment; the one at {self._address} stands by. Nothing was changed. Try"
                " again in a moment.",
                headers=_RETRY,
            )
        if not is_address(leader):
            raise Problem(
                503,
                f"No scheduler leads at the moment: {leader}, keeps its place; the one at {self._address} stands by."
                " Nothing was changed. Try again when that has ended.",
                headers=_RETRY,
            )
        response = await self._send(self._request(leader, scope, receive), leader)
        try:
            await self._relay(response, scope, receive, send)
        finally:
            await response.aclose()

    def _request(self, leader: str, scope: Scope, receive: Receive) -> httpx.Request:
        query = b"?" + scope["query_string"] if scope["query_string"] else b""
        asked = Headers(scope=scope)
        has_body = asked.get("content-length", "0") != "0" or "transfer-encoding" in asked
        headers = _kept(scope["headers"], _NOT_ASKED)
        headers.append((PROXIED_BY.encode(), self._address.encode()))
        headers.append((TERM.encode(), self._leadership.term.encode()))
        if scope.get("client"):
            headers.append((b"X-Forwarded-For", str(scope["client"][0]).encode()))
        return httpx.Request(
            scope["method"],
            httpx.URL(f"http://{leader}").copy_with(raw_path=scope["raw_path"] + query),
            headers=headers,
            content=_body(receive) if has_body else None,
            extensions={"timeout": httpx.Timeout(_SILENCE_SECONDS, connect=None).as_dict()},
        )

    async def _send(self, request: httpx.Request, leader: str) -> httpx.Response:
        """The leader's answer, its body not yet read; raises Problem where there is none."""
        connecting = Connecting(_CONNECT_SECONDS)
        request.extensions["trace"] = connecting.trace
        try:
            with connecting.scope:
                return await self._client.send(request, stream=True)
        except (httpx.ConnectError, httpx.PoolTimeout) as error:
            raise self._unreachable(leader, _why(error)) from None
        except httpx.HTTPError as error:
            raise Problem(
                503,
                f"The leader at {leader} did not answer ({_why(error)}). What was asked may still happen: look before"
                " you ask again.",
                headers=_RETRY | OUTCOME_UNKNOWN,
            ) from None

        raise self._unreachable(leader, f"no connection within {_CONNECT_SECONDS:g} s")

    def _unreachable(self, leader: str, why: str) -> Problem:
        return Problem(
            503,
            f"The leader at {leader} cannot be reached ({why}), and nothing was asked of it. If it is gone, another"
            f" leads after the session time-out of {self._leadership.session_seconds:g} s. Try again in a moment.",
            headers=_RETRY,
        )

    async def _relay(self, response: httpx.Response, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands the answer on as it comes, until its end or until nobody wants it any more."""
        headers = _kept(response.headers.raw, _NOT_ANSWERED)
        headers.append((PROXIED_BY.encode(), self._address.encode()))
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        async with anyio.create_task_group() as group:

            async def until_gone() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                group.cancel_scope.cancel()

            group.start_soon(until_gone)
            try:
                async for piece in response.aiter_raw():
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            except httpx.HTTPError as error:
                # The answer is left without its end, so that nobody takes a part of it for the whole.
                _log.info("the answer of the leader to %s broke off: %s", scope[ROUTE], _why(error))
            else:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            group.cancel_scope.cancel()


def _may_be_stale(scope: Scope) -> bool:
    """Whether an answer from the store was asked for, and there is one."""
    if scope["method"] not in _READS or parse_qs(scope["query_string"].decode("latin-1")).get("stale") != ["ok"]:
        return False
    return any(scope["path"] == path or scope["path"].startswith(f"{path}/") for path in _OF_THE_STORE)


def _kept(headers: RawHeaders, dropped: frozenset[bytes]) -> list[tuple[bytes, bytes]]:
    """The headers without those of one connection: the well-known ones, and what Connection names."""
    headers = list(headers)
    named = {
        name.strip().lower() for key, value in headers if key.lower() == b"connection" for name in value.split(b",")
    }
    return [(key, value) for key, value in headers if key.lower() not in dropped and key.lower() not in named]


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _ClientGone
        if message.get("body"):
            yield message["body"]
        if not message.get("more_body"):
            return


def _with_header(send: Send, name: str, value: Callable[[], str]) -> Send:
    """Adds the header unless it is there, or is empty."""

    async def wrapped(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start" and (text := value()):
            MutableHeaders(scope=message).setdefault(name, text)
        await send(message)

    return wrapped


_WORDS: Mapping[type[httpx.HTTPError], str] = {
    httpx.PoolTimeout: f"{MOST_CONNECTIONS} requests are being passed on, which is the limit",
    httpx.ReadTimeout: f"nothing within {_SILENCE_SECONDS:g} s",
    httpx.RemoteProtocolError: "it closed the connection",
}


def _why(error: httpx.HTTPError) -> str:
    return _WORDS.get(type(error), str(error) or type(error).__name__)
