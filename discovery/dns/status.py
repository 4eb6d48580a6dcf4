"""Figures of the DNS server over HTTP, in the text form that Prometheus reads."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping

PREFIX = "framework_dns_"
SECONDS = 5.0
"""Time-out for a request."""

Figures = Callable[[], Mapping[str, float]]


class StatusPage:
    """GET /metrics, and nothing else."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures
        self._listener: asyncio.Server | None = None

    async def listen(self, address: tuple[str, int]) -> tuple[str, int]:
        """Listens, and says where. Raises OSError."""
        self._listener = await asyncio.start_server(self._answer, *address, limit=8192)
        host, port = self._listener.sockets[0].getsockname()[:2]
        return host, port

    def close(self) -> None:
        if self._listener is not None:
            self._listener.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A client that is slow, goes or says too much gets no answer.
        with contextlib.suppress(OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            async with asyncio.timeout(SECONDS):
                request = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._response(request.partition(b"\r\n")[0].split(b" ")))
                await writer.drain()
        writer.close()

    def _response(self, words: list[bytes]) -> bytes:
        if words[:2] != [b"GET", b"/metrics"]:
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        body = "".join(f"{PREFIX}{name} {value}\n" for name, value in self._figures().items()).encode()
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body
