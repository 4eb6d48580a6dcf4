"""Versions and conditions on them."""

from __future__ import annotations

import itertools

import pytest

from specs.versions import condition_fault, satisfies


@pytest.mark.parametrize(
    ("version", "condition", "holds"),
    [
        ("5.4", ">= 5.4", True),
        ("5.4.0", "== 5.4", True),
        ("v5.4", "= 5.4.0", True),
        ("5.10", "> 5.9", True),
        ("5.4", "< 5.10", True),
        ("5.4.1", "<= 5.4", False),
        ("5.4.1", "!= 5.4", True),
        ("5.4.0-91-generic", "== 5.4", True),
        ("6.1.0-18+deb12", ">=6.1", True),
        ("3.10.0-1160.el7.x86_64", "< 3.10.1", True),
        ("1.2-rc1", "< 1.2", True),
        ("1.2-rc1", ">= 1.2-beta", True),
        ("1.2-RC.2", "> 1.2rc1", True),
        ("1.2-developer", ">= 1.2", True),
        ("5.15.0-rc3-91-generic", "< 5.15", True),
        ("1.1.1k", "== 1.1.1", True),
        ("", ">= 0", False),
        ("new", "< 99", False),
        ("new", "!= 99", True),
        ("1" * 5000, ">= 1", False),
        ("5.4", ">= 5.4.0-91-generic", True),
    ],
)
def test_a_condition_holds_or_not(version: str, condition: str, holds: bool) -> None:
    assert condition_fault(condition) is None
    assert satisfies(version, condition) is holds


def test_versions_are_in_order() -> None:
    ascending = ["0", "1-dev", "1-alpha", "1-alpha2", "1-beta", "1-pre", "1-rc1", "1-rc10", "1", "1.0.1", "1.9", "1.10"]
    for lower, higher in itertools.combinations(ascending, 2):
        assert satisfies(lower, f"< {higher}"), (lower, higher)
        assert satisfies(higher, f"> {lower}"), (lower, higher)
        assert satisfies(lower, f"!= {higher}"), (lower, higher)


@pytest.mark.parametrize("condition", ["", "5.4", ">=", ">= x", "~> 5.4", ">= 5.4 or so", ">= 5.x", ">= " + "1" * 99])
def test_what_is_no_condition_is_told(condition: str) -> None:
    assert 'as ">= 5.4"' in (condition_fault(condition) or "")
    with pytest.raises(ValueError, match="wanted one of"):
        satisfies("5.4", condition)
