"""Servers of our own for a balancer to serve, a model that leads to them, and who asks.

Fixtures (tests/conftest.py registers them): `subnet`, `new_server`.
"""

from __future__ import annotations

import http.client
import http.server
import threading
from collections.abc import Callable, Iterator

import pytest

from discovery.balancer.model import Backend, BackendServer, Frontend, Model, Rule
from framework.local import requirements
from specs.model.routes import Balance, RouteMode
from tests.kit.cluster import leased_subnet, need

HOST = "shop.example.org"
NewServer = Callable[[], "Origin"]


class Origin(http.server.ThreadingHTTPServer):
    """Answers with its own port, and for /proto with how the client came; /slow is held until `go` is set."""

    daemon_threads = True

    def __init__(self, address: str) -> None:
        super().__init__((address, 0), _Answers)
        self.go, self.came = threading.Event(), threading.Event()
        self.server = BackendServer(address=address, port=self.server_port)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def handle_error(self, *_: object) -> None:
        """Checks open a connection and reset it."""


class _Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Origin

    def do_GET(self) -> None:
        if self.path == "/slow":
            self.server.came.set()
            assert self.server.go.wait(30)
        says = self.headers["X-Forwarded-Proto"] if self.path == "/proto" else self.server.server_port
        body = str(says).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def subnet() -> Iterator[int]:
    need(requirements.BALANCERS)
    with leased_subnet() as subnet:
        yield subnet


@pytest.fixture
def new_server(subnet: int) -> Iterator[NewServer]:
    servers: list[Origin] = []

    def new() -> Origin:
        servers.append(Origin(f"127.{subnet}.1.1"))
        return servers[-1]

    yield new
    for each in servers:
        each.go.set()
        each.shutdown()
        each.server_close()


def model(*servers: BackendServer, port: int = 8000, host: str = HOST, is_sticky: bool = False) -> Model:
    backend = Backend(
        name="shop.web", mode=RouteMode.HTTP, balance=Balance.ROUNDROBIN, is_sticky=is_sticky, servers=servers
    )
    rules = (Rule(host=host, path="/", backend="shop.web"),)
    return Model(
        frontends=(Frontend(listen=port, mode=RouteMode.HTTP, is_tls=False, rules=rules),), backends=(backend,)
    )


def ask(subnet: int, path: str = "/", host: str = HOST, port: int = 8000, **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(f"127.{subnet}.0.1", port, timeout=30)
    connection.request("GET", path, headers={"Host": host, **headers})
    answer = connection.getresponse()
    answer.body = answer.read().decode()  # type: ignore[attr-defined]
    connection.close()
    return answer


def body(answer: http.client.HTTPResponse) -> str:
    return str(answer.body)  # type: ignore[attr-defined]
