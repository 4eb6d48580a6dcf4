"""Routes about agents that are gone for good."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from framework.api.app import create_app
from framework.api.info import ExecutorFile
from framework.core.state.agents import ABSENT
from framework.core.views import GroupState
from framework.ports import MasterFault
from specs.ids import group_id
from specs.states import Goal, TaskState
from tests.kit.front import INFO, NOW, FakeFront, FakeOperator, a_group, a_stack, a_task, a_view, an_agent

WEB = group_id("shop", "web", [])


@pytest.fixture
def operator() -> FakeOperator:
    return FakeOperator()


@pytest.fixture
def client(front: FakeFront, operator: FakeOperator) -> TestClient:
    task = a_task(WEB, agent=2, state=TaskState.UNREACHABLE, goal=Goal.STOP)
    shop = a_stack("shop", [a_group(WEB, tasks=[task], state=GroupState.REMOVING, wanted=0)], is_removed=True)
    front.view = a_view([shop], agents=[an_agent(1), replace(an_agent(2), unavailable=ABSENT)])
    executor = ExecutorFile(path=Path(__file__), sha256="a1b2")
    app = create_app(front, token="secret", executor=executor, info=INFO, clock=lambda: NOW, operator=operator)
    bearer = {"Authorization": "Bearer secret"}
    return TestClient(app, base_url="http://127.0.0.1", headers=bearer, raise_server_exceptions=False)


def test_the_loss_is_named_before_anything_is_asked(client: TestClient, operator: FakeOperator) -> None:
    answer = client.get("/v1/agents/agent2/loss")
    assert (answer.status_code, operator.gone) == (200, [])
    assert answer.json() == {
        "agent": "agent2",
        "agent_id": "agent-2",
        "alive": "",
        "tasks": ["shop.web.0.1"],
        "slots": ["shop/web/0"],
        "volumes": [],
        "stacks": ["shop"],
        "others": {"chronos (c-1)": 3},
        "others_problem": "",
    }


def test_a_master_that_does_not_say_what_others_have_there(client: TestClient, operator: FakeOperator) -> None:
    operator.fault = MasterFault("conflict", "it forbids that")
    answer = client.get("/v1/agents/agent2/loss").json()
    assert (answer["others"], answer["others_problem"]) == ({}, "it forbids that")


def test_the_master_is_told(client: TestClient, operator: FakeOperator) -> None:
    answer = client.post("/v1/agents/agent2/gone", json={"by": "eve", "message": "burnt"})
    assert answer.status_code == 202
    assert answer.json()["message"] == "agent agent2 (agent-2) is marked as gone: Mesos ends what was there"
    assert operator.gone == [("10.0.0.1:5050", "agent-2")]


def test_one_that_is_registered_only_anyway(client: TestClient, operator: FakeOperator) -> None:
    answer = client.post("/v1/agents/agent1/gone", json={})
    assert (answer.status_code, operator.gone) == (409, [])
    assert answer.json()["message"].startswith(
        "Agent agent1 (agent-1) is registered with the master. Nothing was changed."
    )
    assert client.post("/v1/agents/agent1/gone", json={"anyway": True}).status_code == 202
    assert operator.gone == [("10.0.0.1:5050", "agent-1")]


def test_a_name_that_nobody_has(client: TestClient, operator: FakeOperator) -> None:
    for answer in (client.get("/v1/agents/x/loss"), client.post("/v1/agents/x/gone", json={"anyway": True})):
        assert answer.status_code == 404
        assert answer.json()["message"].startswith("no agent is called x; wanted the host name or id")
    assert operator.gone == []


@pytest.mark.parametrize(("kind", "status"), [("not_found", 404), ("conflict", 409), ("unavailable", 503)])
def test_what_the_master_refuses(client: TestClient, operator: FakeOperator, kind: str, status: int) -> None:
    operator.fault = MasterFault(kind, "the master knows of no such agent")
    answer = client.post("/v1/agents/agent2/gone", json={})
    assert (answer.status_code, answer.json()["message"]) == (status, "The master knows of no such agent.")


def test_the_word_wants_the_token(client: TestClient, operator: FakeOperator) -> None:
    wrong = {"Authorization": "Bearer x"}
    assert client.post("/v1/agents/agent2/gone", json={"anyway": True}, headers=wrong).status_code == 401
    assert client.get("/v1/agents/agent2/loss", headers=wrong).status_code == 200
    assert operator.gone == []
