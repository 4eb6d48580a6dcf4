"""The names by which requests may call the scheduler: a page of another site calls it by its own."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from starlette.datastructures import Headers

from framework.api.app import create_app
from framework.api.guard.hosts import Hosts
from framework.api.info import ExecutorFile
from framework.api.server import Server
from tests.kit.front import INFO, FakeFront

HOSTS = Hosts(["Sched.example"])


@pytest.mark.parametrize(
    "host",
    [
        *("10.0.0.9", "10.0.0.9:8080", "[::1]", "[fd00::1]:8080", "localhost", "LOCALHOST:80", "sched.example"),
        *("SCHED.example:8080", "sched.example.", "sched.example.:80", "sched.example:"),
    ],
)
def test_addresses_and_names_that_it_has(host: str) -> None:
    assert HOSTS.refusal(Headers({"host": host})) is None


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8080", "10.0.0.9.evil.example", "localhost.evil.example", "sched.example.evil"),
        *("", ":80", "[::1", "[evil.example]:80", "user@10.0.0.9", "10.0.0.9:80:evil", "1", "sched.example:port"),
        *("[::1].evil.example", "[::1].evil.example:80", "[localhost].evil.example", "[sched.example]", "localhost.."),
        *("fe80::1%evil.example", "[fe80::1%.evil.example]:80", "[::1]:80:80", "[::1]evil"),
    ],
)
def test_any_other_name(host: str) -> None:
    refusal = HOSTS.refusal(Headers({"host": host}))
    assert refusal is not None and refusal.status_code == 403
    assert "--allow-host NAME" in refusal.message and "localhost, sched.example" in refusal.message


def test_a_page_with_its_own_name_for_this_address_gets_nothing(client: TestClient, front: FakeFront) -> None:
    """DNS rebinding: Host and Origin are both the site's, and equal."""
    rebound = {"Host": "evil.example:8080", "Origin": "http://evil.example:8080"}
    for method, path in (("GET", "/v1/tasks"), ("GET", "/"), ("GET", "/nope"), ("POST", "/v1/stop")):
        answer = client.request(method, path, json={"pattern": "x"}, headers=rebound)
        assert answer.status_code == 403, (method, path)
        assert "is not called 'evil.example'" in answer.json()["message"]
    assert front.requests == []
    assert client.get("/v1/tasks").status_code == 200


def test_a_program_that_sends_no_host(front: FakeFront) -> None:
    """As HAProxy's own check in HTTP/1.0 does."""
    app = create_app(front, token=None, executor=ExecutorFile(path=Path(__file__), sha256="a1"), info=INFO)
    with Server(app, "127.0.0.1", 0) as server, socket.create_connection(server.address, timeout=5) as connection:
        connection.sendall(b"GET /v1/info HTTP/1.0\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
