"""The layer above all others: counts requests by route and code, and how long they took."""

from __future__ import annotations

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from framework.ports import Gauge

_ENDLESS = frozenset({"/v1/events"})


class Metered:
    """Tells a Gauge of each answer. The route is the path as the application knows it, with its parameters' names:
    there are no more of them than routes, whatever is asked for."""

    def __init__(self, app: ASGIApp, *, gauge: Gauge) -> None:
        self._app = app
        self._gauge = gauge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        code, begun = 500, time.perf_counter()

        async def noted(message: Message) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            seconds = None if route in _ENDLESS else time.perf_counter() - begun
            self._gauge.answered(scope["method"], route, code, seconds)
