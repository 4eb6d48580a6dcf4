"""The form in which executors are announced."""

from __future__ import annotations

import json

import pytest

from discovery.executor_addresses import announcement_from_json, announcement_json, announcement_path
from tests.kit.published import ONE


def test_it_comes_back_as_it_was_and_a_later_schema_may_say_more() -> None:
    assert announcement_from_json(announcement_json(ONE)) == ONE
    later = json.loads(announcement_json(ONE)) | {"schema": 2, "rack": "a"}
    assert announcement_from_json(json.dumps(later).encode()) == ONE


def test_its_place_names_executor_and_agent() -> None:
    assert announcement_path(ONE) == "/executors/framework-executor-0123@10.0.0.1~8080@b2c9-S1"


@pytest.mark.parametrize(
    "data", [b"", b"10.0.0.5:31000", b"{}", b"[]", b"\xff", b"[" * 100_000, b'{"agent": "x", "port": "y"}']
)
def test_what_others_wrote_is_told_of(data: bytes) -> None:
    with pytest.raises(ValueError, match="an executor: wanted the JSON with which one announces itself, got"):
        announcement_from_json(data)
