"""Our executors on the agents, and rolling them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fastapi.testclient import TestClient

from framework.core.commands import Done, Refused
from framework.core.events import ExecutorUpgradeRequested
from specs.ids import group_id
from tests.kit.front import FakeFront, three_tasks

WEB = group_id("shop", "web")


def test_they_are_listed_by_agent_with_the_number_of_their_tasks(client: TestClient, front: FakeFront) -> None:
    front.view = replace(
        three_tasks(),
        executor_id="framework-executor-1@10.0.0.9~80",
        is_upgrading_executors=True,
        upgrading_agent="agent1",
    )
    answer = client.get("/v1/executors").json()
    assert (answer["current"], answer["rolling"], answer["to_roll"]) == (front.view.executor_id, "agent1", 0)
    assert [(line["agent"], line["tasks"]) for line in answer["executors"]] == [("agent1", 2), ("agent2", 1)]
    assert {line["is_current"] for line in answer["executors"]} == {True}, "what differs in the address is the same"
    front.view = replace(front.view, executor_id="framework-executor-2@10.0.0.9~80")
    assert {line["is_current"] for line in client.get("/v1/executors").json()["executors"]} == {False}


def test_a_roll_reaches_the_core(client: TestClient, front: FakeFront) -> None:
    front.answer = lambda _request: Done(changed=("agent1",), message="rolling")
    answer = client.post("/v1/executors/roll", json={"agent": "agent*", "processes": True})
    assert (answer.status_code, answer.json()["changed"]) == (202, ["agent1"])
    assert front.requests == [ExecutorUpgradeRequested(request_id=1, pattern="agent*", has_processes=True)]


def test_a_second_one_is_a_conflict(client: TestClient, front: FakeFront) -> None:
    front.answer = lambda _request: Refused(kind="conflict", message="a roll is under way already")
    assert client.post("/v1/executors/roll", json={}).status_code == 409


@pytest.mark.parametrize("body", [{"agent": 7}, {"processes": "yes"}, {"agents": "*"}, {"agent": "x" * 201}])
def test_what_is_no_roll_is_refused(client: TestClient, front: FakeFront, body: dict[str, object]) -> None:
    assert client.post("/v1/executors/roll", json=body).status_code == 422
    assert front.requests == []
