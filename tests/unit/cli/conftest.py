"""The command line, against the API app over a scripted Front."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from framework.api.app import create_app
from framework.api.info import ExecutorFile, ServerInfo
from framework.api.routes.log_files import Fetch, Piece
from framework.api.server import Server
from framework.cli.main import framework
from framework.usage import Usage
from tests.kit.front import NOW, FakeFront

Run = Callable[..., Result]
Serve = Callable[..., str]

INFO = ServerInfo(version="0.1.0", name="framework", role="*", leader="10.0.0.9:8080", started_at=NOW - 3600)
STACK = """\
name: shop
services:
  web:
    image: acme/web:1.4
    ports: {http: 8080}
    groups:
      - {labels: [prod, frontend], instances: 2}
      - {labels: [dev, frontend]}
  auth: {image: "acme/auth:2"}
"""


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No setting of whoever runs the tests; one time zone."""
    for name in ("FRAMEWORK_URL", "FRAMEWORK_TOKEN_FILE", "FRAMEWORK_ZK", "FRAMEWORK_MASTER", "FRAMEWORK_LOCAL_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def front() -> FakeFront:
    return FakeFront()


@pytest.fixture
def serve(front: FakeFront, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Starts the API and points FRAMEWORK_URL at it."""
    servers: list[Server] = []

    def no_agent(_agent: str, _path: str, _offset: int, _length: int, _timeout: float) -> Piece:
        raise AssertionError("no agent was to be asked")

    def start(*, token: str | None = None, fetch: Fetch = no_agent, usage: Usage | None = None) -> str:
        executor = ExecutorFile(path=Path(__file__), sha256="a1b2")
        app = create_app(
            front,
            token=token,
            executor=executor,
            info=INFO,
            fetch=fetch,
            clock=lambda: NOW,
            usage=usage,
        )
        server = Server(app, "127.0.0.1", 0)
        server.start()
        servers.append(server)
        host, port = server.address
        monkeypatch.setenv("FRAMEWORK_URL", f"http://{host}:{port}")
        return f"http://{host}:{port}"

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def run() -> Run:
    """Runs a command; whatever it does, it must not be a traceback."""

    def invoke(*words: str, stdin: str | None = None) -> Result:
        result = CliRunner().invoke(framework, list(words), input=stdin, prog_name="framework")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke


@pytest.fixture
def stack_file(tmp_path: Path) -> str:
    path = tmp_path / "shop.yml"
    path.write_text(STACK, encoding="utf-8")
    return str(path)
