"""The HTTP server, in a thread of its own."""

from __future__ import annotations

import socket
import threading
from types import TracebackType

import uvicorn
from fastapi import FastAPI

from framework.api.guard.connections import protocol_of
from framework.api.info import Limits
from framework.api.routes.event_stream import Stream

_BACKLOG = 512
_REQUEST_LINE_BYTES = 32 * 1024
_IDLE_SECONDS = 30
_END_SECONDS = 3
_UNTAKEN_SECONDS = 60
"""Time-out for a client that takes nothing of its answer: then the kernel closes the connection."""
_LIMITS = Limits()


class CannotListen(Exception):
    """The address is not to be had; the message says which and why."""


class Server:
    """Serves an app on `host:port`; port 0 takes any. Bound when it is made, so that what is wrong is known at once."""

    def __init__(self, app: FastAPI, host: str, port: int, limits: Limits = _LIMITS) -> None:
        self._stream: Stream = app.state.stream
        self._socket = _bound(host, port)
        config = uvicorn.Config(
            app,
            http=protocol_of(limits),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            h11_max_incomplete_event_size=_REQUEST_LINE_BYTES,
            timeout_keep_alive=_IDLE_SECONDS,
            timeout_graceful_shutdown=_END_SECONDS,
        )
        self._server = _Uvicorn(config, self._stream)
        self._thread = threading.Thread(target=self._serve, name="api", daemon=True)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that are bound."""
        host, port = self._socket.getsockname()[:2]
        return str(host), int(port)

    def start(self) -> None:
        """Serves from now on; what connects before that waits in the backlog."""
        self._socket.listen(_BACKLOG)
        self._thread.start()

    def stop(self) -> None:
        """Ends the event streams, lets running requests end for 3 seconds, and closes the port."""
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join(_END_SECONDS + 2)
        self._socket.close()

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket])


class _Uvicorn(uvicorn.Server):
    """Leaves signals to the process that it is a part of, and ends event streams before it waits for requests."""

    def __init__(self, config: uvicorn.Config, stream: Stream) -> None:
        super().__init__(config)
        self._stream = stream

    def install_signal_handlers(self) -> None:
        """Signals are the scheduler's own."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stream.close()
        await super().shutdown(sockets)


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        bound = socket.socket(family, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Which accepted sockets inherit. It counts while nothing is taken: slow clients are not cut off.
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNTAKEN_SECONDS * 1000)
        bound.bind(address)
    except OSError as error:
        raise CannotListen(
            f"cannot listen on {host}:{port}: {error.strerror}. Is another scheduler running there? Wanted an address"
            " of this machine and a free port; see --bind."
        ) from None
    return bound
