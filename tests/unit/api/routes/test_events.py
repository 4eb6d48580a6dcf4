"""The event stream: replay, filter, what was missed, heartbeats, the limit, and that followers end."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from fastapi import FastAPI
from fastapi.testclient import TestClient

from framework.api.app import create_app
from framework.api.info import ExecutorFile, Limits
from framework.api.routes.event_stream import matches
from framework.api.server import Server
from framework.ports import Happening
from tests.kit.front import INFO, FakeFront
from tests.unit.api.conftest import MakeClient


def _read(client: TestClient, query: str = "", **headers: str) -> list[dict[str, Any]]:
    answer = client.get(f"/v1/events?follow=false{query}", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    return [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]


@pytest.fixture
def happened(front: FakeFront) -> FakeFront:
    front.happen("Subscribed", "to the master at 10.0.0.1:5050")
    front.happen("StackSubmitted", "shop is new", stack="shop")
    front.happen("TaskRunning", "on agent1", group="shop/web[dev]", task="shop.web.dev.0.1")
    front.happen("TaskRunning", "on agent2", group="shop/auth", task="shop.auth.0.2")
    front.happen("TaskRunning", "on agent2", group="batch/job", task="batch.job.0.3")
    return front


def test_everything_that_is_kept(client: TestClient, happened: FakeFront) -> None:
    events = _read(client)
    assert [event["sequence"] for event in events] == [1, 2, 3, 4, 5]
    assert events[2].pop("id").endswith("-3")
    assert events[2] == {
        "sequence": 3,
        "at": happened.happened[2].at,
        "kind": "TaskRunning",
        "text": "on agent1",
        "stack": "shop",
        "group": "shop/web[dev]",
        "task": "shop.web.dev.0.1",
    }


def test_the_wire_form(client: TestClient, happened: FakeFront) -> None:
    text = client.get("/v1/events?follow=false&after=4").text
    form = r'retry: 2000\nid: (\w+)-4\n\nid: (\1-5)\nevent: TaskRunning\ndata: \{"id":"\2",.*\}\n\n'
    assert re.fullmatch(form, text)


@pytest.mark.parametrize("headers", [{}, {"last-event-id": "3"}])
def test_replay_after_a_number(client: TestClient, happened: FakeFront, headers: dict[str, str]) -> None:
    query = "" if headers else "&after=3"
    assert [event["sequence"] for event in _read(client, query, **headers)] == [4, 5]


def test_what_is_no_longer_kept_is_said(client: TestClient, happened: FakeFront) -> None:
    happened.oldest = 4
    lagged, *events = _read(client, "&after=1")
    assert (lagged["kind"], lagged["text"]) == ("Lagged", "2 events after number 1 are no longer kept")
    assert [event["sequence"] for event in events] == [4, 5]


def test_a_number_of_another_leader_begins_anew(client: TestClient, happened: FakeFront) -> None:
    lagged, *events = _read(client, "&after=900")
    assert lagged["kind"] == "Lagged"
    assert [event["sequence"] for event in events] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("by_header", [False, True])
def test_an_id_of_this_leader_is_gone_on_from(client: TestClient, happened: FakeFront, by_header: bool) -> None:
    third = _read(client)[2]["id"]
    after = _read(client, **{"last-event-id": third}) if by_header else _read(client, f"&after={third}")
    assert [event["sequence"] for event in after] == [4, 5]


@pytest.mark.parametrize("by_header", [False, True])
def test_an_id_of_another_leader_begins_anew_also_among_more_events(happened: FakeFront, by_header: bool) -> None:
    """The new leader has more events than the old one had when it ended: the number alone tells nothing."""
    before, after = FakeFront(), happened
    before.happen("Subscribed", "to the master at 10.0.0.1:5050")
    before.happen("StackSubmitted", "shop is new", stack="shop")
    last = _read(_client(before))[-1]["id"]
    now = _client(after)
    lagged, *events = _read(now, **{"last-event-id": last}) if by_header else _read(now, f"&after={last}")
    assert lagged["kind"] == "Lagged"
    assert lagged["text"].startswith(f"event {last} is not of this leader's stream: events may have been missed")
    assert [event["sequence"] for event in events] == [1, 2, 3, 4, 5]
    assert [event["sequence"] for event in _read(now, f"&after={lagged['id']}")] == [1, 2, 3, 4, 5], "none is skipped"


def test_a_follower_that_has_heard_nothing_has_an_id_too(happened: FakeFront) -> None:
    """A client can come back to another leader, and is told that events can be missing."""
    with (
        _serving(happened, Limits(heartbeat_seconds=0.05)) as url,
        requests.get(f"{url}/v1/events", stream=True, timeout=5) as answer,
    ):
        lines = answer.iter_lines(chunk_size=1)
        assert next(line for line in lines if line.startswith(b"id: ")).endswith(b"-5")


@pytest.mark.parametrize(
    ("pattern", "numbers"),
    [("shop", [2, 3, 4]), ("shop/web", [2, 3]), ("shop/web[prod]", [2]), ("batch", [5]), ("*/job", [2, 5]), ("x", [])],
)
def test_filter(client: TestClient, happened: FakeFront, pattern: str, numbers: list[int]) -> None:
    assert [event["sequence"] for event in _read(client, f"&pattern={pattern}")] == numbers


def test_what_is_of_no_stack_is_only_for_those_who_want_everything() -> None:
    master = Happening(sequence=1, at=0.0, kind="Subscribed", text="")
    assert matches(master, "")
    assert not matches(master, "*")


def test_beyond_the_limit_of_streams(make_client: MakeClient) -> None:
    answer = make_client(limits=Limits(event_streams=0)).get("/v1/events")
    assert answer.status_code == 503
    assert "0 event streams are open" in answer.json()["message"]


def _app(front: FakeFront, limits: Limits) -> FastAPI:
    executor = ExecutorFile(path=Path(__file__), sha256="a1")
    return create_app(front, token=None, executor=executor, info=INFO, limits=limits)


def _client(front: FakeFront) -> TestClient:
    return TestClient(_app(front, Limits()), base_url="http://localhost")


@contextmanager
def _serving(front: FakeFront, limits: Limits) -> Iterator[str]:
    with Server(_app(front, limits), "127.0.0.1", 0) as server:
        host, port = server.address
        yield f"http://{host}:{port}"


def _until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.01)


def test_followers_hear_what_happens_and_heartbeats(front: FakeFront) -> None:
    front.happen("Old", "before anybody followed")
    with (
        _serving(front, Limits(heartbeat_seconds=0.05)) as url,
        requests.get(f"{url}/v1/events", stream=True, timeout=5) as answer,
    ):
        lines = answer.iter_lines(chunk_size=1)
        assert next(line for line in lines if line.startswith(b":")) == b": still here"
        assert front.subscribers == 1
        threading.Thread(target=front.happen, args=("TaskRunning", "on agent1")).start()
        data = next(line for line in lines if line.startswith(b"data: "))
        assert json.loads(data[6:])["kind"] == "TaskRunning"


def test_one_subscription_for_all_which_ends_with_the_last(front: FakeFront) -> None:
    with _serving(front, Limits(heartbeat_seconds=0.05)) as url:
        answers = [requests.get(f"{url}/v1/events", stream=True, timeout=5) for _ in range(3)]
        streams = [answer.iter_lines(chunk_size=1) for answer in answers]
        for stream in streams:
            next(stream)
        assert front.subscribers == 1
        for answer in answers:
            answer.close()
        _until(lambda: front.subscribers == 0)


def test_streams_end_when_the_server_stops(front: FakeFront) -> None:
    with _serving(front, Limits()) as url:
        answer = requests.get(f"{url}/v1/events", stream=True, timeout=10)
        lines = answer.iter_lines(chunk_size=1)
        assert [next(lines).partition(b":")[0] for _ in range(2)] == [b"retry", b"id"]
        _until(lambda: front.subscribers == 1)
        started = time.monotonic()
    assert time.monotonic() - started < 2.5
    assert [line for line in lines if line] == []
