"""Requests for changes, their answers, and that none is accepted without the token."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from framework.api.info import Limits
from framework.core.commands import Done, Refused
from framework.core.events import (
    BackoffResetRequested,
    RestartRequested,
    ScaleRequested,
    StackRemoved,
    StackSubmitted,
    StartRequested,
    StopRequested,
)
from specs.file.load import stack_to_json
from specs.ids import group_id
from specs.model.stack import Container, Stack
from specs.model.update import Order, Share, Update
from tests.kit.front import FakeFront, a_group, a_spec, a_stack, a_task, a_view, running
from tests.unit.api.conftest import MakeClient

WEB = group_id("shop", "web", ["dev"])
SHOP = Stack(name="shop", groups=(a_spec(WEB, instances=2),))
CHANGES = [
    ("PUT", "/v1/stacks/shop"),
    ("DELETE", "/v1/stacks/shop"),
    ("POST", "/v1/scale"),
    ("POST", "/v1/restart"),
    ("POST", "/v1/reset-backoff"),
    ("POST", "/v1/stop"),
    ("POST", "/v1/start"),
    ("POST", "/v1/approve"),
    ("POST", "/v1/executors/roll"),
    ("POST", "/v1/kill"),
    ("POST", "/v1/tasks/{task_id}/exec"),
    ("POST", "/v1/exec/{key}/input"),
    ("POST", "/v1/stacks/shop/rollback"),
    ("POST", "/v1/stacks/shop/rollout/pause"),
]


def test_submit_hands_the_stack_to_the_core(client: TestClient, front: FakeFront) -> None:
    front.answer = lambda _request: Done(changed=(str(WEB),), index=8, message="changed")
    answer = client.put("/v1/stacks/shop?message=new+web&by=anna@desk&if_unchanged=7", json=stack_to_json(SHOP))
    assert (answer.status_code, answer.json()) == (
        202,
        {"changed": ["shop/web[dev]"], "index": 8, "message": "changed", "warnings": []},
    )
    assert front.requests == [
        StackSubmitted(request_id=1, stack=SHOP, message="new web", submitted_by="anna@desk", if_index=7)
    ]


def test_submit_takes_the_words_of_a_file_too(client: TestClient, front: FakeFront) -> None:
    client.put("/v1/stacks/shop", json={"services": {"web": {"image": "acme/web", "instances": 2}}})
    (asked,) = front.requests
    assert isinstance(asked, StackSubmitted)
    assert [(str(group.id), group.instances) for group in asked.stack.groups] == [("shop/web", 2)]


@pytest.mark.parametrize("tag", ['"7"', "7", 'W/"7"'])
def test_if_match_is_the_index(client: TestClient, front: FakeFront, tag: str) -> None:
    client.put("/v1/stacks/shop", json=stack_to_json(SHOP), headers={"If-Match": tag})
    (asked,) = front.requests
    assert isinstance(asked, StackSubmitted)
    assert asked.if_index == 7


@pytest.mark.parametrize(("tag", "query"), [("*", ""), ('"x"', ""), ('"7"', "?if_unchanged=8")])
def test_if_match_that_is_no_index_is_refused(client: TestClient, front: FakeFront, tag: str, query: str) -> None:
    answer = client.put("/v1/stacks/shop" + query, json=stack_to_json(SHOP), headers={"If-Match": tag})
    assert answer.status_code == 400
    assert answer.json()["details"][0]["path"] == "header.If-Match"
    assert front.requests == []


@pytest.mark.parametrize(
    ("path", "body", "asked"),
    [
        ("/v1/scale", {"instances": 4}, ScaleRequested(request_id=1, pattern="shop/web[dev]", instances=4)),
        ("/v1/scale", {"delta": -1}, ScaleRequested(request_id=1, pattern="shop/web[dev]", delta=-1)),
        ("/v1/scale", {"factor": 2}, ScaleRequested(request_id=1, pattern="shop/web[dev]", factor=2.0)),
        ("/v1/scale", {"instances": 0}, ScaleRequested(request_id=1, pattern="shop/web[dev]", instances=0)),
        ("/v1/restart", {}, RestartRequested(request_id=1, pattern="shop/web[dev]")),
        (
            "/v1/reset-backoff",
            {"message": "fixed", "by": "ann"},
            BackoffResetRequested(request_id=1, pattern="shop/web[dev]", message="fixed", by="ann"),
        ),
        ("/v1/stop", {}, StopRequested(request_id=1, pattern="shop/web[dev]")),
        ("/v1/start", {}, StartRequested(request_id=1, pattern="shop/web[dev]")),
    ],
)
def test_actions(client: TestClient, front: FakeFront, path: str, body: dict[str, Any], asked: object) -> None:
    answer = client.post(path, json={"pattern": "shop/web[dev]", **body})
    assert answer.status_code == 202
    assert front.requests == [asked]


def test_scaling_warns_of_a_pace_that_can_replace_nothing(client: TestClient, front: FakeFront) -> None:
    pace = Update(order=Order.STOP_FIRST, min_healthy=Share(percent=50))
    front.view = a_view([a_stack("shop", [a_group(WEB, tasks=[a_task(WEB)], update=pace)])])
    front.answer = lambda _request: Done(changed=(str(WEB),), index=3)
    (warning,) = client.post("/v1/scale", json={"pattern": str(WEB), "instances": 1}).json()["warnings"]
    assert warning.startswith(f"{WEB}: with one task its update can replace none: it is stop-first")
    assert "warnings" not in client.post("/v1/restart", json={"pattern": str(WEB)}).json()


def test_remove(client: TestClient, front: FakeFront) -> None:
    assert client.delete("/v1/stacks/shop").status_code == 202
    assert front.requests == [StackRemoved(request_id=1, name="shop")]


@pytest.mark.parametrize(
    ("kind", "status"), [("not_found", 404), ("conflict", 409), ("invalid", 422), ("unavailable", 503)]
)
def test_refusals_of_the_core(client: TestClient, front: FakeFront, kind: str, status: int) -> None:
    front.answer = lambda _request: Refused(kind=kind, message="No.", details=(("pattern", "matches nothing"),))
    answer = client.post("/v1/stop", json={"pattern": "x"})
    assert answer.status_code == status
    assert answer.json() == {"message": "No.", "details": [{"path": "pattern", "error": "matches nothing"}]}


def test_no_answer_of_the_core_is_said_in_time(make_client: MakeClient, front: FakeFront) -> None:
    front.answer = lambda _request: None
    front.view = a_view(problem="ZooKeeper at 10.0.0.7:2181 does not answer")
    answer = make_client(limits=Limits(answer_seconds=0.05)).post("/v1/stop", json={"pattern": "x"})
    assert answer.status_code == 503
    assert "within 0.05 s (ZooKeeper at 10.0.0.7:2181 does not answer)" in answer.json()["message"]


@pytest.mark.parametrize(("method", "path"), CHANGES)
@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic c2VjcmV0", "secret", "Bearer"])
def test_changes_need_the_token(
    make_client: MakeClient, front: FakeFront, method: str, path: str, header: str | None
) -> None:
    answer = make_client(token="secret").request(
        method, path, json={"pattern": "x"}, headers={"Authorization": header} if header else {}
    )
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "--token-file" in answer.json()["message"]
    assert front.requests == []


def test_with_the_token_changes_are_made(make_client: MakeClient, front: FakeFront) -> None:
    client = make_client(token="secret")
    assert client.post("/v1/stop", json={"pattern": "x"}, headers={"Authorization": "Bearer secret"}).status_code == 202
    assert len(front.requests) == 1


def test_reads_and_plans_need_no_token(make_client: MakeClient) -> None:
    client = make_client(token="secret")
    assert client.get("/v1/tasks").status_code == 200
    assert client.get("/v1/executor/a1b2/framework-executor.pyz").status_code == 200
    assert client.post("/v1/stacks/shop/plan", json=stack_to_json(SHOP)).status_code == 200


def test_every_route_that_changes_something_says_that_it_needs_the_token(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    secured = {(m.upper(), p) for p, methods in paths.items() for m, o in methods.items() if o.get("security")}
    assert secured == {
        (method, path.replace("/shop", "/{name}").replace("/pause", "/{action}")) for method, path in CHANGES
    }


def test_plan_shows_the_difference_and_changes_nothing(client: TestClient, front: FakeFront) -> None:
    front.view = a_view([running(SHOP, index=7)])
    newer = Stack(name="shop", groups=(a_spec(WEB, instances=3, container=Container(image="acme/web:2")),))
    plan = client.post("/v1/stacks/shop/plan", json=stack_to_json(newer)).json()
    assert (plan["index"], plan["is_new"]) == (7, False)
    (change,) = plan["changes"]
    assert (change["group"], change["change"], change["old_instances"], change["new_instances"]) == (
        "shop/web[dev]",
        "replaced",
        2,
        3,
    )
    assert {"path": "image", "old": "acme/web:1.4", "new": "acme/web:2"} in change["fields"]
    assert client.post("/v1/stacks/shop/plan", json=stack_to_json(SHOP)).json()["changes"] == []
    assert front.requests == []


def test_plan_of_a_new_stack(client: TestClient) -> None:
    plan = client.post("/v1/stacks/shop/plan", json=stack_to_json(SHOP)).json()
    assert (plan["index"], plan["is_new"], plan["changes"][0]["change"]) == (0, True, "added")
