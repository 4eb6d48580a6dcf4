"""Rollouts over HTTP."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fastapi.testclient import TestClient

from framework.api.answers.groups import GroupsAnswer
from framework.api.answers.rollouts import RolloutAnswer, RolloutsAnswer
from framework.api.answers.tasks import TasksAnswer
from framework.core.commands import Done
from framework.core.events import RestartRequested, RolloutAction, RolloutActionRequested, StackSubmitted
from specs.file.load import stack_to_json
from tests.kit.conversation import stack
from tests.kit.front import FakeFront
from tests.kit.rollouts import STEPS, change, is_new, playing, web
from tests.kit.shapes import held_to


@pytest.fixture
def front() -> FakeFront:
    """A stack in the pause of its second step."""
    play = change(playing(update=STEPS), 5, update=STEPS)
    return FakeFront(play.talk.scheduler.view(play.talk.now))


def test_the_rollout_of_now(client: TestClient) -> None:
    answer = client.get("/v1/stacks/shop/rollout")
    assert answer.status_code == 200
    held_to(RolloutAnswer, answer.json())
    rollout = answer.json()["rollout"]
    assert (rollout["number"], rollout["kind"], rollout["state"]) == (2, "update", "running")
    assert answer.json()["last"] is None
    (part,) = rollout["groups"]
    progress = part["progress"]
    assert (progress["step"], progress["steps"]) == (2, ["1", "pause 30s", "2", "pause"])
    assert (progress["changed"], progress["total"]) == (1, 3)
    assert progress["until"] > answer.json()["at"]


def test_one_that_is_over_is_among_those_that_are_kept(client: TestClient, front: FakeFront) -> None:
    play = change(playing())
    front.view = play.talk.scheduler.view(play.talk.now)
    answer = client.get("/v1/stacks/shop/rollouts")
    held_to(RolloutsAnswer, answer.json())
    (only,) = answer.json()["rollouts"]
    assert (only["state"], only["is_over"], only["groups"][0]["is_done"]) == ("done", True, True)
    assert only["ended_at"] > only["started_at"]
    answer = client.get("/v1/stacks/shop/rollout").json()
    assert (answer["rollout"], answer["last"]["number"]) == (None, 2)


def test_a_stack_that_is_not_there(client: TestClient) -> None:
    assert client.get("/v1/stacks/other/rollout").status_code == 404


def test_groups_and_tasks_tell_of_it_too(client: TestClient, front: FakeFront) -> None:
    play = playing()
    play.fault = lambda task: "hangs" if is_new(task) else ""
    change(play, 5)
    front.view = play.talk.scheduler.view(play.talk.now)
    groups, tasks = client.get("/v1/groups"), client.get("/v1/tasks")
    held_to(GroupsAnswer, groups.json())
    held_to(TasksAnswer, tasks.json())
    (group,) = groups.json()["groups"]
    assert (group["state"], group["rollout"]["number"]) == ("changing", 2)
    assert [bool(task["replaces"]) for task in tasks.json()["tasks"]].count(True) == 1


@pytest.mark.parametrize("action", list(RolloutAction))
def test_what_is_asked_of_it_reaches_the_core(client: TestClient, front: FakeFront, action: RolloutAction) -> None:
    front.answer = lambda _request: Done(changed=("shop/web",), index=2, message="paused")
    body = {"service": "web", "number": 2, "by": "ann"}
    answer = client.post(f"/v1/stacks/shop/rollout/{action.value}", json=body)
    assert (answer.status_code, answer.json()["changed"]) == (202, ["shop/web"])
    assert front.requests == [
        RolloutActionRequested(request_id=1, stack="shop", action=action, service="web", number=2, asked_by="ann")
    ]


def test_nothing_need_be_said_with_it(client: TestClient, front: FakeFront) -> None:
    assert client.post("/v1/stacks/shop/rollout/pause").status_code == 202
    assert front.requests == [RolloutActionRequested(request_id=1, stack="shop", action=RolloutAction.PAUSE)]


def test_what_cannot_be_asked(client: TestClient, front: FakeFront) -> None:
    assert client.post("/v1/stacks/shop/rollout/forget").status_code == 422
    assert client.post("/v1/stacks/shop/rollout/pause", json={"number": "2"}).status_code == 422
    assert front.requests == []


def test_all_at_once_and_a_wait_between_tasks(client: TestClient, front: FakeFront) -> None:
    body = {"pattern": "shop", "wait_seconds": 30, "all_at_once": True}
    client.post("/v1/restart", json=body)
    client.put("/v1/stacks/shop?all_at_once=true", json=stack_to_json(stack(replace(web(), instances=1))))
    restart, submit = front.requests
    assert restart == RestartRequested(request_id=1, pattern="shop", wait_seconds=30, is_all_at_once=True)
    assert isinstance(submit, StackSubmitted) and submit.is_all_at_once
