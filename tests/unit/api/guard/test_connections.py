"""Clients that keep the server waiting: they are let go, and nobody else notices them. On real connections."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests

from framework.api.app import create_app
from framework.api.info import ExecutorFile, Limits
from framework.api.routes.exec_sessions import Sessions
from framework.api.server import Server
from tests.kit.front import INFO, FakeFront

TOKEN = {"Authorization": "Bearer secret"}
STACK = {"services": {"web": {"image": "acme/web"}}}
ARCHIVE = "/v1/executor/a1b2/framework-executor.pyz"
HALF = '{"services": {'
MANY = 256


@dataclass(slots=True)
class Api:
    """A server with a token and its clients; `sessions` are its open sessions of `exec`."""

    server: Server
    sessions: Sessions
    open: ExitStack = field(default_factory=ExitStack)

    def half(self, method: str, path: str, *, length: int = 1000, token: bool = False) -> socket.socket:
        """A connection that has sent its head and half of a body."""
        secret = "Authorization: Bearer secret\r\n" if token else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{secret}Content-Length: {length}\r\n"
        return self.connect(f"{head}Content-Type: application/json\r\n\r\n{HALF}")

    def connect(self, text: str) -> socket.socket:
        connection = self.open.enter_context(socket.create_connection(self.server.address, timeout=20))
        connection.sendall(text.encode())
        return connection

    def ask(self, method: str, path: str, **options: object) -> requests.Response:
        host, port = self.server.address
        return requests.request(method, f"http://{host}:{port}{path}", timeout=20, **options)  # type: ignore[arg-type]


Serve = Callable[..., Api]


@pytest.fixture
def serve(front: FakeFront, tmp_path: Path) -> Iterator[Serve]:
    with ExitStack() as stack:

        def start(limits: Limits | None = None, archive: bytes = b"PK", token: str | None = "secret") -> Api:
            (tmp_path / "executor.pyz").write_bytes(archive)
            executor = ExecutorFile(path=tmp_path / "executor.pyz", sha256="a1b2")
            given = limits or Limits()
            app = create_app(front, token=token, executor=executor, info=INFO, limits=given)
            api = Api(stack.enter_context(Server(app, "127.0.0.1", 0, given)), app.state.sessions)
            stack.enter_context(api.open)
            return api

        yield start


def _answers(connection: socket.socket) -> bytes:
    """All that comes until the server closes the connection."""
    answer = b""
    with suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            answer += piece
    return answer


def _drip(connection: socket.socket) -> bytes:
    """The same, while a byte is sent again and again, which keeps other servers waiting for ever."""
    connection.settimeout(0.05)
    answer = b""
    with suppress(ConnectionError):
        while True:
            try:
                piece = connection.recv(65536)
                if not piece:
                    break
                answer += piece
            except TimeoutError:
                connection.sendall(b"x")
    return answer


@pytest.mark.parametrize(
    ("method", "path", "token"),
    [
        ("POST", "/v1/stacks/shop/plan", "secret"),
        ("PUT", "/v1/stacks/shop", "secret"),
        ("POST", "/v1/attach/nobodys/output", "secret"),
        ("GET", "/v1/ready", "secret"),
        ("PUT", "/v1/stacks/shop", None),
    ],
)
def test_256_half_bodies_silence_nobody(serve: Serve, method: str, path: str, token: str | None) -> None:
    api = serve(token=token)
    for _ in range(MANY):
        api.half(method, path)
    assert api.ask("GET", "/v1/ready").status_code == 200
    assert api.ask("GET", ARCHIVE).content == b"PK"
    assert api.ask("GET", "/v1/stacks").status_code == 200
    assert api.ask("PUT", "/v1/stacks/shop", json=STACK, headers=TOKEN).status_code == 202
    assert api.ask("POST", "/v1/stacks/shop/plan", json=STACK).status_code == 200


def test_half_a_head_has_its_time(serve: Serve) -> None:
    api = serve(Limits(head_seconds=0.3))
    assert _answers(api.connect("GET /v1/info HTTP/1.1\r\nHost: local")) == b""
    assert _answers(api.connect("")) == b""
    assert _drip(api.connect("GET /v1/info HTTP/1.1\r\nX-Slow: ")) == b""


def test_half_a_head_of_a_later_request_too(serve: Serve) -> None:
    whole = "GET /v1/info HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answer = _drip(serve(Limits(head_seconds=0.3)).connect(whole + "GET /v1/info HTTP/1.1\r\nX-Slow: "))
    assert answer.startswith(b"HTTP/1.1 200") and answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("end", [_answers, _drip])
def test_a_body_has_its_time(serve: Serve, end: Callable[[socket.socket], bytes], front: FakeFront) -> None:
    api = serve(Limits(body_seconds=0.3))
    for token in (False, True):
        answer = end(api.half("POST", "/v1/stop" if token else "/v1/stacks/shop/plan", token=token))
        assert answer.startswith(b"HTTP/1.1 408"), answer
        message = json.loads(answer.partition(b"\r\n\r\n")[2])["message"]
        assert "The body came too slowly: wanted all of it within 0.3 s" in message
    assert front.requests == []


def test_a_body_that_nobody_wants_has_its_time(serve: Serve) -> None:
    """The answer is there before the body, which is not read for it."""
    api = serve(Limits(head_seconds=0.3))
    for method, path, status in (("PUT", "/v1/stacks/shop", b"401"), ("POST", "/v1/attach/nobodys/output", b"404")):
        assert _drip(api.half(method, path)).startswith(b"HTTP/1.1 " + status)


def test_a_refused_body_that_comes_soon_costs_no_connection(serve: Serve) -> None:
    """A client that sends everything reads the answer, not an error of the connection."""
    connection = serve().half("PUT", "/v1/stacks/shop", length=len(HALF) + 2)
    assert connection.recv(65536).startswith(b"HTTP/1.1 401")
    connection.sendall(b"}}GET /v1/info HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert b"HTTP/1.1 200" in _answers(connection)


def test_of_too_many_that_wait_the_oldest_goes(serve: Serve) -> None:
    api = serve(Limits(waiting=3))
    head = "GET /v1/info HTTP/1.1\r\nConnection: close\r\nHost: loc"
    first, *others = [api.connect(head) for _ in range(4)]
    assert _answers(first) == b""
    for connection in others:
        connection.sendall(b"alhost\r\n\r\n")
        assert _answers(connection).startswith(b"HTTP/1.1 200")


def test_connections_that_have_shown_the_token_have_places_of_their_own(serve: Serve) -> None:
    api = serve(Limits(waiting=2))
    head = "GET /v1/info HTTP/1.1\r\nHost: localhost\r\n"
    known = api.connect(f"{head}Authorization: Bearer secret\r\n\r\n")
    assert known.recv(65536).startswith(b"HTTP/1.1 200")
    strangers = [api.connect(head) for _ in range(8)]
    assert _answers(strangers[0]) == b""
    known.sendall(f"{head}Connection: close\r\n\r\n".encode())
    assert b"HTTP/1.1 200" in _answers(known)


def test_a_wrong_key_makes_nobody_known(serve: Serve) -> None:
    api = serve(Limits(waiting_known=2))
    head = "GET /v1/info HTTP/1.1\r\nHost: localhost\r\n"
    known = api.connect(f"{head}Authorization: Bearer secret\r\n\r\n")
    assert known.recv(65536).startswith(b"HTTP/1.1 200")
    for _ in range(4):
        stranger = api.connect("GET /v1/exec/nobodys/output HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert stranger.recv(65536).startswith(b"HTTP/1.1 404")
    known.sendall(f"{head}Connection: close\r\n\r\n".encode())
    assert b"HTTP/1.1 200" in _answers(known)


def test_who_has_had_an_answer_gives_way_before_who_asks(serve: Serve) -> None:
    api = serve(Limits(waiting=3))
    asking = api.connect("GET /v1/info HTTP/1.1\r\nConnection: close\r\nHost: loc")
    answered = []
    for _ in range(5):
        answered.append(api.connect("GET /v1/info HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        assert answered[-1].recv(65536).startswith(b"HTTP/1.1 200")
    asking.sendall(b"alhost\r\n\r\n")
    assert _answers(asking).startswith(b"HTTP/1.1 200")


def test_of_too_many_bodies_the_oldest_gives_way(serve: Serve) -> None:
    api = serve(Limits(bodies=2))
    first, second, third = [api.half("POST", "/v1/stacks/shop/plan", length=len(HALF) + 2) for _ in range(3)]
    assert b"2 bodies are being read, which is the limit" in _answers(first)
    for connection in (second, third):
        connection.sendall(b"}}")
        assert connection.recv(65536).startswith(b"HTTP/1.1 422")


@contextmanager
def _streams(api: Api, count: int) -> Iterator[None]:
    for _ in range(count):
        stream = api.connect("GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert stream.recv(65536).startswith(b"HTTP/1.1 200")
    yield


def test_strangers_leave_room_for_the_token(serve: Serve) -> None:
    api = serve(Limits(requests=3, strangers=2))
    with _streams(api, 2):
        refused = api.ask("GET", "/v1/stacks")
        assert refused.status_code == 503
        assert refused.json()["message"].startswith("2 requests without the token are being answered")
        assert api.ask("GET", "/v1/stacks", headers=TOKEN).status_code == 200
        assert api.ask("GET", "/v1/ready").status_code == 200
        assert api.ask("GET", ARCHIVE).status_code == 200
        assert api.ask("GET", "/v1/attach/nobodys/input").status_code == 503
        key = api.sessions.begin("shop.web.0.1", {"command": ["sh"]}).executor_key
        called = api.connect(f"GET /v1/attach/{key}/input HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert called.recv(65536).startswith(b"HTTP/1.1 200")


def test_streams_of_strangers_leave_some_for_the_token(serve: Serve) -> None:
    api = serve(Limits(event_streams=1))
    with _streams(api, 1):
        assert api.ask("GET", "/v1/events?follow=false").status_code == 503
        assert api.ask("GET", "/v1/events?follow=false", headers=TOKEN).status_code == 200


def test_who_fetches_the_executor_slowly_gives_way_to_another(serve: Serve) -> None:
    archive = bytes(16 * 1024 * 1024)
    api = serve(Limits(archives=1), archive)
    slow = api.connect(f"GET {ARCHIVE} HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert slow.recv(1000).startswith(b"HTTP/1.1 200")
    assert api.ask("GET", ARCHIVE).content == archive
    assert len(_answers(slow)) < len(archive)


def test_an_upload_that_breaks_off_is_no_bug(serve: Serve, front: FakeFront, caplog: pytest.LogCaptureFixture) -> None:
    api = serve()
    for path in ("/v1/stacks/shop", "/v1/stop"):
        api.half("PUT" if "stacks" in path else "POST", path, token=True).close()
    api.half("POST", "/v1/stacks/shop/plan").close()
    assert api.ask("GET", "/v1/ready").status_code == 200
    api.server.stop()
    assert [record.getMessage() for record in caplog.records if record.levelno >= 30] == []
    assert front.requests == []


@pytest.mark.parametrize(
    ("head", "then", "status"),
    [
        ("GET /v1/events HTTP/1.1\r\nConnection: close", "nothing that was asked for", b"200"),
        ("GET /v1/events HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", b"200"),
        ("GET /v1/ready HTTP/1.1\r\nTransfer-Encoding: chunked", "no length\r\n", b"200"),
        ("PUT /v1/stacks/shop HTTP/1.1\r\nTransfer-Encoding: chunked", "no length\r\n", b"401"),
        ("POST /v1/stacks/shop/plan HTTP/1.1\r\nTransfer-Encoding: chunked", "no length\r\n", b"400"),
    ],
)
def test_what_is_no_http_in_the_middle_of_an_answer_ends_the_connection_and_is_no_bug(
    serve: Serve, caplog: pytest.LogCaptureFixture, head: str, then: str, status: bytes
) -> None:
    connection = serve().connect(f"{head}\r\nHost: localhost\r\n\r\n")
    begun = b"" if status == b"400" else connection.recv(65536)
    connection.sendall(then.encode())
    answer = begun + _answers(connection)
    assert answer.startswith(b"HTTP/1.1 " + status) and answer.count(b"HTTP/1.1 ") == 1
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
