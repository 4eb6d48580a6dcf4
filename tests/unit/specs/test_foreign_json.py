"""JSON that others may have written."""

import json

import pytest

from specs.foreign_json import parse_json


@pytest.mark.parametrize("data", [b"", b"\xff", b"{", "[" * 100_000, b'{"a":' * 100_000])
def test_what_is_no_json_or_nested_too_deep_is_a_value_error(data: bytes | str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(data)


def test_what_is_json_is_what_the_standard_library_reads() -> None:
    plain = {"a": [1, 2.5, None, True, "é"], "b": {"c": []}}
    assert parse_json(json.dumps(plain)) == parse_json(json.dumps(plain).encode()) == plain
