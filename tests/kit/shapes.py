"""Answers held against the shapes that the OpenAPI document declares."""

from __future__ import annotations

from typing import Any, TypeVar

import httpx
from fastapi import FastAPI
from fastapi.routing import RouteContext, iter_route_contexts
from fastapi.testclient import TestClient
from pydantic import TypeAdapter
from starlette.routing import Match

from framework.api.errors import ErrorAnswer

Shape = TypeVar("Shape")


def held_to(shape: type[Shape], answer: object) -> Shape:
    """The answer, which has all keys of the shape with values of their types, and no other key; fails otherwise."""
    return TypeAdapter(shape).validate_python(answer)


def held_to_its_document(client: TestClient, app: FastAPI) -> TestClient:
    """The client, from now on failing at a JSON answer that is not of the shape which its route declares."""

    def hold(response: httpx.Response) -> None:
        is_json = response.headers.get("content-type") == "application/json"
        if not is_json or response.request.method == "HEAD" or response.request.url.path == "/openapi.json":
            return
        response.read()
        held_to(_declared(app, response), response.json())

    client.event_hooks = {"response": [hold]}
    return client


def answers_of(route: RouteContext) -> dict[int, Any]:
    """The shapes that a route declares for its answers, by status, without those of errors."""
    responses: dict[int | str, Any] = getattr(route, "responses", {})
    return {
        status: each["model"]
        for status, each in responses.items()
        if isinstance(status, int) and status < 400 and "model" in each
    }


def _declared(app: FastAPI, response: httpx.Response) -> Any:
    if response.status_code >= 400:
        return ErrorAnswer
    request = response.request
    scope = {"type": "http", "method": request.method, "path": request.url.path, "path_params": {}, "root_path": ""}
    for route in iter_route_contexts(app.router.routes):
        if route.matches(scope)[0] is Match.FULL:
            declared = answers_of(route)
            assert response.status_code in declared, f"{request.method} {route.path} declares no {response.status_code}"
            return declared[response.status_code]
    raise AssertionError(f"no route answers {request.method} {request.url.path}")
