"""The server: bound at once, stopped cleanly, and its limits hold on real connections."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from framework.api.app import create_app
from framework.api.info import ExecutorFile
from framework.api.server import CannotListen, Server
from tests.kit.front import INFO, FakeFront


def _server(front: FakeFront, port: int = 0) -> Server:
    executor = ExecutorFile(path=Path(__file__), sha256="a1")
    return Server(create_app(front, token=None, executor=executor, info=INFO), "127.0.0.1", port)


@pytest.fixture
def server(front: FakeFront) -> Iterator[Server]:
    with _server(front) as server:
        yield server


def test_it_tells_its_address_before_it_starts(front: FakeFront) -> None:
    server = _server(front)
    host, port = server.address
    assert host == "127.0.0.1"
    assert port > 0
    server.stop()


def test_an_address_that_is_taken(server: Server, front: FakeFront) -> None:
    _, port = server.address
    with pytest.raises(CannotListen, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
        _server(front, port)


def test_after_stop_nobody_answers_and_the_address_is_free(front: FakeFront) -> None:
    server = _server(front)
    server.start()
    host, port = server.address
    assert requests.get(f"http://{host}:{port}/v1/info", timeout=5).status_code == 200
    server.stop()
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://{host}:{port}/v1/info", timeout=5)
    again = _server(front, port)
    again.stop()


def _talk(server: Server, *pieces: bytes) -> bytes:
    """The bytes that come back for these until the server closes, or 5 seconds have passed."""
    with socket.create_connection(server.address, timeout=5) as connection:
        for piece in pieces:
            connection.sendall(piece)
        answer = b""
        with suppress(ConnectionResetError):  # it closed before it had read everything
            while piece := connection.recv(65536):
                answer += piece
    return answer


def test_a_large_body_is_refused_before_it_is_sent(server: Server, front: FakeFront) -> None:
    head = b"PUT /v1/stacks/shop HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 50000000\r\n\r\n"
    status, _, body = _talk(server, head).partition(b"\r\n\r\n")
    assert status.startswith(b"HTTP/1.1 413")
    assert "50000000" in json.loads(body)["message"]
    assert front.requests == []


def test_a_request_line_that_is_too_long(server: Server) -> None:
    answer = _talk(server, b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400")


def test_what_is_no_http(server: Server) -> None:
    assert _talk(server, b"\x16\x03\x01\x02\x00garbage\r\n\r\n").startswith(b"HTTP/1.1 400")


def test_no_word_about_the_software(server: Server) -> None:
    host, port = server.address
    assert "server" not in requests.get(f"http://{host}:{port}/", timeout=5).headers
