"""Every mistake of a caller: 4xx, JSON {message, details}, and nothing is asked of the core."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from framework.api.errors import ErrorAnswer
from framework.api.info import Limits
from tests.kit.front import FakeFront, a_view
from tests.kit.shapes import held_to
from tests.unit.api.conftest import MakeClient

JSON = {"Content-Type": "application/json"}


def _error(answer: Any, status: int) -> ErrorAnswer:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    return held_to(ErrorAnswer, answer.json())


@pytest.mark.parametrize("path", ["/v1/stacks/shop", "/v1/stacks/shop/plan", "/v1/scale", "/v1/stop"])
@pytest.mark.parametrize("body", [b"{", b"", b"\xff\xfe", b"{'a': 1}", b"[" * 5000, b"services: {}"])
def test_garbage_is_not_json(client: TestClient, front: FakeFront, path: str, body: bytes) -> None:
    method = "PUT" if path == "/v1/stacks/shop" else "POST"
    answer = client.request(method, path, content=body, headers=JSON)
    assert answer.status_code in (400, 422)
    error = _error(answer, answer.status_code)
    assert error["message"]
    assert front.requests == []


@pytest.mark.parametrize(
    ("path", "body", "where", "what"),
    [
        ("/v1/scale", {"pattern": "x", "instances": "3"}, "body.instances", "got '3'"),
        ("/v1/scale", {"pattern": "x", "instances": -1}, "body.instances", "greater than or equal to 0"),
        ("/v1/scale", {"pattern": "x", "instances": 1.5}, "body.instances", "integer"),
        ("/v1/scale", {"pattern": "x", "instances": True}, "body.instances", "integer"),
        ("/v1/scale", {"pattern": "x", "instances": 10**9}, "body.instances", "100000"),
        ("/v1/scale", {"pattern": "x"}, "body", "exactly one of instances, delta and factor; got none"),
        ("/v1/scale", {"pattern": "x", "instances": 1, "delta": 1}, "body", "got instances, delta"),
        ("/v1/stop", {}, "body.pattern", "is missing"),
        ("/v1/stop", {"patern": "x", "pattern": "x"}, "body.patern", "is not known"),
        ("/v1/stop", {"pattern": ""}, "body.pattern", "at least 1 character"),
        ("/v1/stop", {"pattern": 7}, "body.pattern", "string"),
        ("/v1/stop", {"pattern": "x" * 501}, "body.pattern", "at most 500"),
        ("/v1/stop", ["shop"], "body", "object"),
    ],
)
def test_wrong_types_are_named(
    client: TestClient, front: FakeFront, path: str, body: Any, where: str, what: str
) -> None:
    error = _error(client.post(path, json=body), 422)
    assert [detail["path"] for detail in error["details"]] == [where]
    assert what in error["details"][0]["error"]
    assert "Nothing was changed" in error["message"]
    assert front.requests == []


def test_every_mistake_of_a_stack_is_told(client: TestClient, front: FakeFront) -> None:
    body = {"services": {"web": {"imgae": "acme/web", "instances": -1}}}
    error = _error(client.put("/v1/stacks/shop", json=body), 422)
    assert "Nothing was changed" in error["message"]
    assert {detail["path"] for detail in error["details"]} >= {"services.web.imgae", "services.web.instances"}
    assert any("image" in detail["error"] for detail in error["details"])
    assert front.requests == []


@pytest.mark.parametrize("body", [[], 3, "shop", {}, {"groups": 3}, {"groups": [{"id": 3}]}])
def test_a_body_that_is_no_stack(client: TestClient, front: FakeFront, body: Any) -> None:
    error = _error(client.put("/v1/stacks/shop", json=body), 422)
    assert error["details"]
    assert front.requests == []


@pytest.mark.parametrize("name", ["Shop", "-shop", "a" * 64, "sh_op", "%2e%2e"])
def test_a_stack_name_that_is_none(client: TestClient, front: FakeFront, name: str) -> None:
    error = _error(client.put(f"/v1/stacks/{name}", json={"services": {"web": {"image": "x"}}}), 422)
    assert error["message"].startswith("The stack's name ")
    assert front.requests == []


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/v1/stacks/nope", "There is no stack nope."),
        ("/v1/tasks/shop.web.0.1", "There is no task shop.web.0.1"),
        ("/v1/tasks/17", "There is no task 17"),
        ("/v1/tasks/17/logs", "There is no task 17"),
        ("/nope", "There is nothing at /nope"),
    ],
)
def test_what_is_not_there(client: TestClient, path: str, sentence: str) -> None:
    assert sentence in _error(client.get(path), 404)["message"]


def test_the_wrong_method(client: TestClient) -> None:
    assert _error(client.post("/v1/tasks"), 405)["message"] == "POST /v1/tasks is not possible; wanted GET."


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("/v1/tasks?all=maybe", "query.all"),
        ("/v1/tasks?pattern=" + "x" * 501, "query.pattern"),
        ("/v1/events?after=-1", "query.after"),
        ("/v1/events?after=", "query.after"),
        ("/v1/events?after=5e551-", "query.after"),
        ("/v1/events?after=1-2-3", "query.after"),
        ("/v1/events?after=" + "9" * 19, "query.after"),
        ("/v1/tasks/1/logs?stream=stdin", "query.stream"),
        ("/v1/tasks/1/logs?offset=-1", "query.offset"),
        ("/v1/tasks/1/logs?tail=x", "query.tail"),
    ],
)
def test_wrong_parameters(client: TestClient, path: str, where: str) -> None:
    assert [detail["path"] for detail in _error(client.get(path), 422)["details"]] == [where]


def test_a_last_event_id_that_is_none(client: TestClient) -> None:
    error = _error(client.get("/v1/events", headers={"Last-Event-ID": "x"}), 400)
    assert "Last-Event-ID" in error["message"]


def test_a_body_over_the_limit_is_refused_by_its_length(make_client: MakeClient, front: FakeFront) -> None:
    client = make_client(limits=Limits(stack_bytes=1000, body_bytes=100))
    error = _error(client.put("/v1/stacks/shop", content=b"x" * 1001, headers=JSON), 413)
    assert "at most 1,000 bytes, got 1001" in error["message"]
    _error(client.post("/v1/stop", content=b"x" * 101, headers=JSON), 413)
    assert front.requests == []


def test_a_body_that_does_not_tell_its_length_is_cut_off(make_client: MakeClient, front: FakeFront) -> None:
    client = make_client(limits=Limits(stack_bytes=1000, body_bytes=100))
    for method, path in (("PUT", "/v1/stacks/shop"), ("POST", "/v1/stop")):
        _error(client.request(method, path, content=iter([b"x" * 600] * 3), headers=JSON), 413)
    assert front.requests == []


def test_a_form_is_no_json(client: TestClient, front: FakeFront) -> None:
    """A page of another site can send a form without asking the browser first."""
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        answer = client.post("/v1/stop", content=b'{"pattern": "shop"}', headers={"Content-Type": kind})
        _error(answer, 422)
    assert front.requests == []


def test_pages_of_other_sites_change_nothing(client: TestClient, front: FakeFront) -> None:
    error = _error(client.post("/v1/stop", json={"pattern": "x"}, headers={"Origin": "https://evil.example"}), 403)
    assert "https://evil.example" in error["message"]
    assert front.requests == []
    assert client.post("/v1/stop", json={"pattern": "x"}, headers={"Origin": "http://scheduler"}).status_code == 202


def test_too_many_requests_at_once(make_client: MakeClient) -> None:
    error = _error(make_client(limits=Limits(requests=0)).get("/v1/tasks"), 503)
    assert "limit" in error["message"]


def test_a_bug_is_a_number_and_no_traceback(
    client: TestClient, front: FakeFront, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_ask: object) -> None:
        raise KeyError("secret detail")

    front.answer = broken
    error = _error(client.post("/v1/stop", json={"pattern": "x"}), 500)
    assert "secret detail" not in error["message"]
    number = error["message"].split("'bug ")[1].split("'")[0]
    assert f"bug {number} in POST /v1/stop" in caplog.text


def test_safe_headers_on_every_answer(client: TestClient, front: FakeFront) -> None:
    front.view = a_view()
    for path in ("/", "/docs", "/v1/tasks", "/nope"):
        headers = client.get(path, headers={"Origin": "https://evil.example"}).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "access-control-allow-origin" not in headers
