"""Routes of what a stack was."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from framework.core.commands import Done
from framework.core.events import KillRequested, RollbackRequested
from specs.file.load import stack_from_json
from specs.ids import group_id
from specs.model.stack import Stack
from tests.kit.front import WEB, FakeFront, a_group, a_spec, a_stack, a_task, a_view
from tests.kit.histories import with_history

WEB_ID = group_id("shop", "web", ["prod"])


def shop(image: str, instances: int = 1) -> Stack:
    return Stack(name="shop", groups=(a_spec(WEB_ID, instances=instances, container=replace(WEB, image=image)),))


FIRST, SECOND = shop("acme/web:1", 2), shop("acme/web:2", 3)


@pytest.fixture(autouse=True)
def history(front: FakeFront) -> None:
    front.view = with_history(FIRST, SECOND)


def test_a_history(client: TestClient) -> None:
    told = client.get("/v1/stacks/shop/history").json()
    assert (told["stack"], told["index"]) == ("shop", 3)
    assert [line["number"] for line in told["revisions"]] == [1, 2, 3]
    assert told["revisions"][0] | {"at": 0} == {
        "number": 1,
        "at": 0,
        "command": "submit",
        "text": "replaced web of 0",
        "by": "anna@desk",
        "message": "release 0",
        "services": ["web"],
        "has_definition": True,
    }


@pytest.mark.parametrize(("number", "given", "wanted"), [(1, 1, FIRST), (2, 1, FIRST), (3, 3, SECOND)])
def test_a_definition_is_what_put_takes(client: TestClient, number: int, given: int, wanted: Stack) -> None:
    told = client.get(f"/v1/stacks/shop/history/{number}").json()
    assert (told["number"], told["from_revision"]) == (number, given)
    assert stack_from_json(told["definition"], name="shop") == wanted


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("no/history", "There is no stack no, and no history of one"),
        ("shop/history/9", "shop has no revision 9; those with a definition are 1, 3"),
        ("no/history/1", "There is no stack no"),
    ],
)
def test_what_is_not_there(client: TestClient, path: str, says: str) -> None:
    answer = client.get(f"/v1/stacks/{path}")
    assert answer.status_code == 404
    assert says in answer.json()["message"]


def test_a_stack_without_one(client: TestClient, front: FakeFront) -> None:
    front.view = replace(front.view, histories={})
    assert client.get("/v1/stacks/shop/history").json()["revisions"] == []


@pytest.mark.parametrize(("body", "instances"), [({}, 3), ({"to": 1}, 3), ({"to": 1, "with_instances": True}, 2)])
def test_the_plan_of_a_rollback(client: TestClient, front: FakeFront, body: dict[str, Any], instances: int) -> None:
    told = client.post("/v1/stacks/shop/rollback/plan", json=body).json()
    assert (told["to"]["number"], told["index"], told["is_new"]) == (1, 3, False)
    (change,) = told["changes"]
    assert (change["change"], change["old_instances"], change["new_instances"]) == ("replaced", 3, instances)
    assert {"path": "image", "old": "acme/web:2", "new": "acme/web:1"} in change["fields"]
    assert front.requests == []


def test_the_plan_of_having_a_removed_stack_back(client: TestClient, front: FakeFront) -> None:
    front.view = with_history(FIRST, SECOND, is_removed=True)
    told = client.post("/v1/stacks/shop/rollback/plan", json={}).json()
    assert (told["to"]["number"], told["index"], told["is_new"]) == (3, 0, True)
    assert client.get("/v1/stacks/shop/history").json()["index"] is None


def test_a_plan_that_cannot_be(client: TestClient) -> None:
    answer = client.post("/v1/stacks/shop/rollback/plan", json={"to": 8})
    assert (answer.status_code, answer.json()["message"][:22]) == (404, "shop has no revision 8")


def test_a_rollback(client: TestClient, front: FakeFront) -> None:
    front.answer = lambda _request: Done(changed=(str(WEB_ID),), index=4, message="back to 1")
    body = {"to": 1, "with_instances": True, "if_unchanged": 3, "message": "500s", "by": "eve"}
    answer = client.post("/v1/stacks/shop/rollback", json=body)
    assert (answer.status_code, answer.json()["message"]) == (202, "back to 1")
    assert front.requests == [
        RollbackRequested(request_id=1, name="shop", to=1, with_instances=True, if_index=3, message="500s", by="eve")
    ]


def test_killing_tasks(client: TestClient, front: FakeFront) -> None:
    tasks = [a_task(WEB_ID, 0, 17), a_task(WEB_ID, 1, 18)]
    front.view = a_view([a_stack("shop", [a_group(WEB_ID, instances=2, tasks=tasks)])])
    answer = client.post("/v1/kill", json={"tasks": ["17", tasks[1].id], "scale": True, "by": "eve"})
    assert answer.status_code == 202
    assert front.requests == [KillRequested(request_id=1, tasks=(tasks[0].id, tasks[1].id), scale=True, by="eve")]
    assert client.post("/v1/kill", json={"tasks": ["99"]}).status_code == 404
    assert client.post("/v1/kill", json={"tasks": []}).status_code == 422


def test_renames_are_warned_of(client: TestClient) -> None:
    renamed = {"groups": [{"id": {"stack": "shop", "service": "web", "labels": ["eu", "prod"]}, "instances": 3}]}
    whole = client.get("/v1/stacks/shop/history/3").json()["definition"]
    body = {**whole, "groups": [{**whole["groups"][0], **renamed["groups"][0]}]}
    told = client.post("/v1/stacks/shop/plan", json=body).json()
    assert told["warnings"] == [
        "shop/web[prod] is removed and shop/web[eu,prod] is added: changed labels are another group; its tasks are"
        " replaced all at once (3 -> 3)"
    ]
