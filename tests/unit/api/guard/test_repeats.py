"""Idempotency-Key: what is sent a second time under it is the same request."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from framework.core.commands import Done
from framework.core.model import Answered
from framework.core.stacks.repeated_requests import KEPT_SECONDS
from specs.file.load import stack_to_json
from specs.ids import group_id
from specs.model.stack import Stack
from tests.kit.front import NOW, FakeFront, a_group, a_spec, a_stack, a_task, a_view
from tests.unit.api.conftest import MakeClient

KEY = {"Idempotency-Key": "6f0c"}
DONE = Done(changed=("shop/web",), index=8, message="changed")
SHOP = stack_to_json(Stack(name="shop", groups=(a_spec(group_id("shop", "web", []), instances=2),)))


def remember(front: FakeFront, **more: Any) -> None:
    """The core has answered the last request, and that is stored."""
    key = front.keys[-1]
    assert key is not None
    answer = Answered(key=key, number=1, at=NOW, changed=DONE.changed, index=DONE.index, message=DONE.message)
    front.view = replace(front.view, answers={key.text: replace(answer, **more)})


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/v1/stacks/shop?message=why", SHOP),
        ("DELETE", "/v1/stacks/shop", None),
        ("POST", "/v1/scale", {"pattern": "shop/web", "delta": 1}),
        ("POST", "/v1/stacks/shop/rollout/promote", None),
        ("POST", "/v1/stacks/shop/rollback", {}),
        ("POST", "/v1/reset-backoff", {"pattern": "shop"}),
    ],
)
def test_another_try_gets_the_same_answer_and_is_not_asked_again(
    client: TestClient, front: FakeFront, method: str, path: str, body: Any
) -> None:
    front.answer = lambda _request: DONE
    first = client.request(method, path, json=body, headers=KEY)
    assert first.status_code == 202
    remember(front)
    again = client.request(method, path, json=body, headers=KEY)
    assert (again.status_code, again.json()) == (202, {**first.json(), "warnings": []})
    assert len(front.requests) == 1


def test_the_key_and_all_that_is_asked_reach_the_core(client: TestClient, front: FakeFront) -> None:
    for path, body in (
        ("/v1/scale", {"pattern": "shop/web", "delta": 1}),
        ("/v1/scale", {"pattern": "shop/web", "delta": 2}),
        ("/v1/scale?x=1", {"pattern": "shop/web", "delta": 1}),
        ("/v1/scale", {"pattern": "shop/web", "delta": 1}),
    ):
        client.post(path, json=body, headers=KEY)
    keys = [key for key in front.keys if key is not None]
    assert [key.text for key in keys] == ["6f0c"] * 4
    assert len({key.digest for key in keys}) == 3
    assert keys[0] == keys[3]


def test_without_a_key_nothing_is_remembered(client: TestClient, front: FakeFront) -> None:
    client.post("/v1/scale", json={"pattern": "shop/web", "delta": 1})
    client.get("/v1/groups", headers=KEY)
    client.post("/v1/scale", json={"pattern": "shop/web", "delta": 1})
    assert front.keys == [None, None]


def test_a_kill_whose_task_is_no_longer_known(client: TestClient, front: FakeFront) -> None:
    """The number at its end could not be understood any more."""
    web = group_id("shop", "web", [])
    front.view = a_view([a_stack("shop", [a_group(web, tasks=[a_task(web, serial=17)])])])
    front.answer = lambda _request: DONE
    assert client.post("/v1/kill", json={"tasks": ["17"]}, headers=KEY).status_code == 202
    front.view = a_view([a_stack("shop", [a_group(web)])])
    assert client.post("/v1/kill", json={"tasks": ["17"]}).status_code == 404
    remember(front)
    assert client.post("/v1/kill", json={"tasks": ["17"]}, headers=KEY).status_code == 202
    assert len(front.requests) == 1


def test_the_same_key_for_something_else(client: TestClient, front: FakeFront) -> None:
    front.answer = lambda _request: DONE
    client.post("/v1/scale", json={"pattern": "shop/web", "delta": 1}, headers=KEY)
    remember(front)
    answer = client.post("/v1/scale", json={"pattern": "shop/web", "delta": 2}, headers=KEY)
    assert answer.status_code == 422
    assert answer.json()["message"].startswith("the key 6f0c was given to a different request before")
    assert answer.json()["details"] == [{"path": "header.Idempotency-Key", "error": "was given to a different request"}]
    assert len(front.requests) == 1


def test_a_key_of_yesterday(client: TestClient, front: FakeFront) -> None:
    client.post("/v1/scale", json={"pattern": "shop/web", "delta": 1}, headers=KEY)
    remember(front, at=NOW - KEPT_SECONDS - 1)
    client.post("/v1/scale", json={"pattern": "shop/web", "delta": 1}, headers=KEY)
    assert len(front.requests) == 2


@pytest.mark.parametrize("key", ["", "x" * 129, "a\tb"])
def test_what_is_no_key(client: TestClient, front: FakeFront, key: str) -> None:
    answer = client.post("/v1/stop", json={"pattern": "shop"}, headers={"Idempotency-Key": key})
    assert answer.status_code == 400
    assert answer.json()["details"] == [{"path": "header.Idempotency-Key", "error": "is no key"}]
    assert front.requests == []


def test_the_token_is_asked_for_first(make_client: MakeClient, front: FakeFront) -> None:
    client = make_client(token="secret")
    bearer = {"Authorization": "Bearer secret"}
    client.post("/v1/stop", json={"pattern": "shop"}, headers=KEY | bearer)
    remember(front)
    assert client.post("/v1/stop", json={"pattern": "shop"}, headers=KEY).status_code == 401
    assert client.post("/v1/stop", json={"pattern": "shop"}, headers=KEY | bearer).status_code == 202
    assert len(front.requests) == 1
