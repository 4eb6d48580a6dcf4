"""An app over a scripted Front, and a client of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from framework.api.app import create_app
from framework.api.guard.hosts import Hosts
from framework.api.info import ExecutorFile, Limits
from framework.api.routes.log_files import Fetch, Piece
from framework.ports import Gauge
from framework.usage import Usage
from tests.kit.front import INFO, NOW, FakeFront
from tests.kit.shapes import held_to_its_document

MakeClient = Callable[..., TestClient]


@pytest.fixture
def front() -> FakeFront:
    return FakeFront()


@pytest.fixture
def make_client(front: FakeFront, tmp_path: Path) -> MakeClient:
    """Makes clients; errors are answers, as over a network, and all answers are held to the OpenAPI document."""
    archive = tmp_path / "framework-executor.pyz"
    archive.write_bytes(b"#!/usr/bin/env python3\nPK")

    def no_agent(_agent: str, _path: str, _offset: int, _length: int, _timeout: float) -> Piece:
        raise AssertionError("no agent was to be asked")

    def make(
        *,
        token: str | None = None,
        limits: Limits | None = None,
        fetch: Fetch = no_agent,
        usage: Usage | None = None,
        gauge: Gauge | None = None,
    ) -> TestClient:
        app = create_app(
            front,
            token=token,
            hosts=Hosts(["scheduler"]),
            executor=ExecutorFile(path=archive, sha256="a1b2"),
            info=INFO,
            limits=limits or Limits(),
            fetch=fetch,
            clock=lambda: NOW,
            usage=usage,
            gauge=gauge,
        )
        client = TestClient(app, base_url="http://scheduler", raise_server_exceptions=False)
        return held_to_its_document(client, app)

    return make


@pytest.fixture
def client(make_client: MakeClient) -> TestClient:
    return make_client()
