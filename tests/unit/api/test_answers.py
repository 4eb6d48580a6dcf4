"""Answers are what their shapes declare: mypy holds the functions that fill them, the tests' client the routes."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient
from pydantic import ValidationError
from starlette.responses import Response

from framework.api.answers.base import Json
from framework.api.answers.scheduler import MemberLine
from tests.kit.shapes import answers_of, held_to_its_document

NOT_JSON = frozenset(
    {
        *("/", "/docs", "/openapi.json", "/metrics", "/v1/events"),
        *("/v1/executor/{sha256}/framework-executor.pyz", "/v1/exec/{key}/output", "/v1/exec/{key}/input"),
        *("/v1/attach/{key}/input", "/v1/attach/{key}/output"),
    }
)
"""Pages, streams, files and empty answers."""


def test_every_route_that_answers_json_declares_the_shape(client: TestClient) -> None:
    assert isinstance(client.app, FastAPI)
    silent = {str(route.path) for route in iter_route_contexts(client.app.router.routes) if not answers_of(route)}
    assert silent <= NOT_JSON | {"/v1/ready"}  # HEAD


@pytest.mark.parametrize(
    "answer", [{"address": "a:1"}, {"address": "a:1", "since": 1.0, "more": 1}, {"address": "a:1", "since": "now"}]
)
def test_an_answer_that_its_shape_does_not_describe_is_noticed(answer: dict[str, object]) -> None:
    app = FastAPI()

    @app.get("/member", responses={200: {"model": MemberLine}})
    async def member() -> Response:
        return Json(answer)

    client = held_to_its_document(TestClient(app), app)
    with pytest.raises(ValidationError):
        client.get("/member")
