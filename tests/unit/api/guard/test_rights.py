"""The right that each route wants: all routes and methods, hostile names in the path, with the token and without."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import RouteContext, iter_route_contexts
from fastapi.testclient import TestClient

from framework.api.guard.guard import Guard
from framework.api.guard.hosts import Hosts
from framework.api.guard.rights import KEY, OPEN, SAFE_METHODS, TOKEN, Right, access_of, declared_by
from framework.api.info import Limits
from tests.kit.front import FakeFront
from tests.unit.api.conftest import MakeClient

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
NAMES = ("plan", "x%2Fplan")
"""Names of stacks and keys, among them those of routes: the guard once took a path that ends in /plan for open."""
ENDLESS = "/v1/events"


def _routes(client: TestClient) -> list[RouteContext]:
    app = client.app
    assert isinstance(app, FastAPI)
    return list(iter_route_contexts(app.router.routes))


def _paths(template: str) -> Iterator[str]:
    for name in NAMES:
        filled = template.replace("{action}", "pause").replace("{number}", "1")
        while "{" in filled:
            before, _, rest = filled.partition("{")
            filled = before + name + rest.partition("}")[2]
        yield filled


def _ask(client: TestClient, method: str, path: str, headers: dict[str, str]) -> Any:
    url = path + ("?follow=false" if path == ENDLESS else "")
    return client.request(method, url, json={"pattern": "x"}, headers=headers, follow_redirects=False)


def test_every_route_declares_one_right(client: TestClient) -> None:
    closed = [route.path for route in _routes(client) if declared_by(route).right is Right.CLOSED]
    assert closed == []


def test_the_openapi_document_says_which_routes_want_the_token(client: TestClient) -> None:
    documented = client.get("/openapi.json").json()["paths"]
    for route in _routes(client):
        for method in route.methods or ():
            if route.include_in_schema:
                is_secured = bool(documented[route.path][method.lower()].get("security"))
                assert is_secured is (declared_by(route).right is Right.TOKEN), (method, route.path)


def test_nothing_changes_without_the_token_whatever_the_path_is(make_client: MakeClient, front: FakeFront) -> None:
    """All routes, of the document and beside it, with all methods."""
    client = make_client(token="secret")
    rights = {(m, route.path): declared_by(route).right for route in _routes(client) for m in route.methods or ()}
    templates = {*client.get("/openapi.json").json()["paths"], *(str(route.path) for route in _routes(client))}
    for template, method in product(sorted(templates), METHODS):
        for path in _paths(template):
            status = _ask(client, method, path, {}).status_code
            right = rights.get((method, template))
            if "%2F" in path:
                assert status not in (200, 202, 204, 500), (method, path, status)  # no path of this route
            elif right is Right.TOKEN:
                assert status == 401, (method, path, status)
            elif right in (Right.OPEN, Right.KEY):
                assert status not in (401, 403, 405), (method, path, status)
            else:
                assert status in (401, 404, 405, 307), (method, path, status)
    assert front.requests == []


def test_the_token_opens_all_of_them(make_client: MakeClient) -> None:
    client = make_client(token="secret")
    for route in _routes(client):
        for method, path in product(sorted(route.methods or ()), _paths(str(route.path))):
            status = _ask(client, method, path, {"Authorization": "Bearer secret"}).status_code
            assert status not in (401, 403), (method, path, status)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_stack_called_plan_is_a_stack(make_client: MakeClient, front: FakeFront, method: str) -> None:
    client = make_client(token="secret")
    body = {"services": {"web": {"image": "acme/web"}}}
    assert client.request(method, "/v1/stacks/plan", json=body).status_code == 401
    assert front.requests == []
    allowed = client.request(method, "/v1/stacks/plan", json=body, headers={"Authorization": "Bearer secret"})
    assert allowed.status_code == 202


def _app_of(*rights: Any) -> FastAPI:
    app = FastAPI(openapi_url=None)

    async def answer() -> str:
        return "done"

    app.add_api_route("/thing", answer, methods=["GET", "POST"], dependencies=list(rights))
    app.add_middleware(Guard, token="secret", hosts=Hosts(["testserver"]), limits=Limits(), routes=app.router.routes)
    return app


@pytest.mark.parametrize("rights", [(), (OPEN, TOKEN), (KEY, OPEN)])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_route_that_declares_no_right_or_two_is_closed_to_all(rights: tuple[Any, ...], method: str) -> None:
    client = TestClient(_app_of(*rights))
    for headers in ({}, {"Authorization": "Bearer secret"}):
        answer = client.request(method, "/thing", headers=headers)
        assert answer.status_code == 403
        assert "does not say who may use it" in answer.json()["message"]


def test_what_is_mounted_declares_nothing_and_is_closed() -> None:
    app = _app_of(OPEN)
    inner = FastAPI(openapi_url=None)
    inner.add_api_route("/thing", lambda: "done", methods=["GET"], dependencies=[OPEN])
    app.mount("/inner", inner)
    assert TestClient(app).get("/inner/thing").status_code == 403


def test_where_no_route_answers_reading_is_open() -> None:
    routes = _app_of(OPEN).router.routes
    scope = {"type": "http", "path": "/nowhere", "root_path": "", "headers": []}
    assert access_of(routes, {**scope, "method": "GET"}).right is Right.OPEN
    assert access_of(routes, {**scope, "method": "POST"}).right is Right.TOKEN


def test_what_may_be_posted_without_the_token_changes_nothing_or_wants_a_key(client: TestClient) -> None:
    """Plans, and the end of a session that an executor has. A route that is added here is a decision."""
    found = {
        (method, route.path): declared_by(route).right
        for route in _routes(client)
        for method in route.methods or ()
        if method not in SAFE_METHODS and declared_by(route).right is not Right.TOKEN
    }
    assert found == {
        ("POST", "/v1/stacks/{name}/plan"): Right.OPEN,
        ("POST", "/v1/stacks/{name}/rollback/plan"): Right.OPEN,
        ("POST", "/v1/attach/{key}/output"): Right.KEY,
    }
