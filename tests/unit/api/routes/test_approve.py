"""Approval requests, and the approval of an operator."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fastapi.testclient import TestClient

from framework.core.commands import Done, Refused
from framework.core.events import ApprovalGiven
from framework.core.model import Mismatch
from tests.kit.front import UNKNOWN_TASKS, FakeFront, a_view


def test_questions_are_shown_with_all_their_tasks(client: TestClient, front: FakeFront) -> None:
    front.view = replace(a_view(), approval_requests=(UNKNOWN_TASKS,))
    assert client.get("/v1/approve").json()["questions"] == [
        {
            "question": "strangers",
            "number": 2,
            "sentence": "Mesos runs 2 tasks that are not in the store",
            "effect": "they are stopped",
            "tasks": ["other.web.0.1", "other.web.1.2"],
        }
    ]


def test_an_approval_reaches_the_core(client: TestClient, front: FakeFront) -> None:
    front.answer = lambda _request: Done(changed=UNKNOWN_TASKS.tasks, message="approved")
    answer = client.post("/v1/approve", json={"question": "strangers", "number": 2})
    assert (answer.status_code, answer.json()["message"]) == (202, "approved")
    assert front.requests == [ApprovalGiven(request_id=1, mismatch=Mismatch.UNKNOWN_TASKS, number=2)]


def test_one_that_is_too_small_is_a_conflict(client: TestClient, front: FakeFront) -> None:
    front.answer = lambda _request: Refused(kind="conflict", message="it is about 3 tasks by now")
    answer = client.post("/v1/approve", json={"question": "missing", "number": 2})
    assert (answer.status_code, answer.json()["message"]) == (409, "it is about 3 tasks by now")


@pytest.mark.parametrize(
    "body", [{}, {"question": "strangers"}, {"question": "all", "number": 1}, {"question": "missing", "number": 0}]
)
def test_an_approval_names_its_question_and_its_number(
    client: TestClient, front: FakeFront, body: dict[str, object]
) -> None:
    assert client.post("/v1/approve", json=body).status_code == 422
    assert front.requests == []
