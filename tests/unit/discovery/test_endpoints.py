"""The form in which endpoints are published."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from discovery.endpoints import endpoint_from_json, endpoint_json, path_of, reached_from_bridge
from specs.ids import TaskId, group_id
from tests.kit.published import WEB


def test_it_comes_back_as_it_was_and_a_later_schema_may_say_more() -> None:
    assert endpoint_from_json(endpoint_json(WEB)) == WEB
    later = json.loads(endpoint_json(WEB)) | {"schema": 2, "weight": 3}
    assert endpoint_from_json(json.dumps(later).encode()) == WEB


def test_groups_do_not_share_a_place() -> None:
    assert path_of(WEB.group, WEB.task_id) == "/endpoints/shop/web/dev,frontend/shop.web.dev-frontend.2.17"
    dashed = replace(WEB, group=group_id("shop", "web", ["dev-frontend"]))
    assert path_of(dashed.group, WEB.task_id) != path_of(WEB.group, WEB.task_id)
    plain = path_of(group_id("shop", "web"), TaskId("shop.web.2.17"))
    assert plain == "/endpoints/shop/web/_/shop.web.2.17"


@pytest.mark.parametrize("data", [b"", b"10.0.0.5:31000", b"{}", b"[]", b"\xff", b'{"slot": "x"}', b"[" * 100_000])
def test_what_others_wrote_is_told_of(data: bytes) -> None:
    with pytest.raises(ValueError, match="an endpoint: wanted the JSON that an executor writes, got"):
        endpoint_from_json(data)


@pytest.mark.parametrize(
    ("address", "own", "wanted"),
    [
        ("10.0.0.5", ("172.17.0.2",), ("10.0.0.5", 31000)),
        ("agent7.example", ("172.17.0.2",), ("agent7.example", 31000)),
        ("127.0.1.3", ("172.17.0.2",), ("172.17.0.2", 80)),
        ("::1", ("fd00::2",), ("fd00::2", 80)),
        ("127.0.1.3", (), ("127.0.1.3", 31000)),
        ("127.0.1.3", ("127.0.1.3",), ("127.0.1.3", 31000)),
    ],
)
def test_a_container_on_a_bridge_finds_nobody_at_a_loopback_address(
    address: str, own: tuple[str, ...], wanted: tuple[str, int]
) -> None:
    assert reached_from_bridge(address, 31000, own, 80) == wanted
