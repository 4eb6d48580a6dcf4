"""The story of a task, over HTTP."""

from __future__ import annotations

from dataclasses import replace

from fastapi.testclient import TestClient

from framework.core.state.task_stories import Entry
from specs.ids import group_id
from tests.kit.front import NOW, FakeFront, a_group, a_stack, a_task, a_view

WEB = group_id("shop", "web")


def test_it_is_told_oldest_first_with_what_is_stored_before(client: TestClient, front: FakeFront) -> None:
    task = a_task(WEB)
    seen = (Entry(NOW - 5, "TaskHealthy", f"{task.id} is healthy"),)
    front.view = a_view([a_stack("shop", [replace(a_group(WEB, tasks=[task]), stories={task.id: seen})])])
    answer = client.get("/v1/tasks/1/story").json()
    assert (answer["task"], answer["seen_since"]) == (task.id, NOW - 5)
    assert [(entry["at"], entry["kind"]) for entry in answer["entries"]] == [
        (NOW - 65, "TaskLaunched"),
        (NOW - 60, "TaskRunning"),
        (NOW - 5, "TaskHealthy"),
    ]


def test_of_what_is_not_there(client: TestClient) -> None:
    assert client.get("/v1/tasks/77/story").status_code == 404
