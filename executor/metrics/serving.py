"""The executor's HTTP server: a few pages, for whoever may reach the agent."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from executor.workers import start_thread

AT_ONCE = 16
"""Limit on requests at a time; further clients get 503."""
PATIENCE_SECONDS = 10.0
"""Time-out for a request, and for reading the answer."""
BUSY = b"HTTP/1.0 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"

Pages = dict[str, tuple[str, Callable[[], bytes]]]
"""By path: the type of its content, and what makes it."""

log = logging.getLogger("executor.metrics")


class MetricsServer:
    """Serves `pages` at `address`, in its own threads.

    If `port` is 0 or taken, the kernel picks one; if the address is none of this machine's (an agent can be known by
    another address), it listens on all. Raises OSError if none of that works.
    """

    def __init__(self, address: str, port: int, pages: Pages) -> None:
        self._server = _bound(address, port, pages)
        self.port: int = self._server.server_address[1]

    def start(self) -> None:
        """Begins to answer."""
        start_thread("http", self._server.serve_forever)


def _bound(address: str, port: int, pages: Pages) -> _HttpServer:
    everywhere = "::" if ":" in address else ""
    tries = dict.fromkeys([(address, port), (address, 0), (everywhere, port), (everywhere, 0)])
    for place in tries:
        try:
            server = _HttpServer(place, pages)
        except OSError as error:
            fault = error
            log.warning("%s:%d cannot be listened at: %s", place[0] or "*", place[1], error.strerror or error)
            continue
        return server
    raise fault


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, place: tuple[str, int], pages: Pages) -> None:
        self.address_family = socket.AF_INET6 if ":" in place[0] else socket.AF_INET
        self.pages = pages
        self._free = threading.BoundedSemaphore(AT_ONCE)
        super().__init__(place, _Handler)

    def server_bind(self) -> None:
        """Binds without asking the DNS who this is, which http.server does."""
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
            return
        request.settimeout(0)
        with contextlib.suppress(OSError):
            request.send(BUSY)
        self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        log.debug("a request of %s broke off", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    timeout = PATIENCE_SECONDS
    server: _HttpServer
    server_version = "framework-executor"
    sys_version = ""

    def do_GET(self) -> None:
        """One of the pages."""
        path = self.path.partition("?")[0]
        page = self.server.pages.get(path)
        if page is None:
            known = " and ".join(self.server.pages)
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", f"wanted {known}, got {path[:100]}\n".encode())
        else:
            self._answer(HTTPStatus.OK, page[0], page[1]())

    def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The standard library's own would import the parser of mails."""
        return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(timestamp))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        log.debug(format, *args)
