"""Versions and conditions on them."""

from __future__ import annotations

import itertools
from functools import lru_cache

import pytest

from specs.model import versions
from specs.model.versions import condition_fault, satisfies

_BEFORE_RELEASE = ["1-alpha", "1-alpha2", "1-beta", "1-dev", "1-m1", "1-pre", "1-rc1", "1-rc10", "1-snapshot"]


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
        ("5.4.0-91-generic", "== 5.4", False),
        ("5.4.0-91-generic", "> 5.4", True),
        ("5.15.0-80-generic", ">= 5.15.0-91", False),
        ("5.15.0-91-generic", ">= 5.15.0-91", True),
        ("5.15.0-101-generic", "> 5.15.0-91-generic", True),
        ("6.1.0-18+deb12", ">=6.1", True),
        ("3.10.0-1160.el7.x86_64", "< 3.10.1", True),
        ("1.2-rc1", "< 1.2", True),
        ("1.2-rc1", ">= 1.2-beta", True),
        ("1.2-RC.2", "> 1.2rc1", True),
        ("1.2-developer", ">= 1.2", True),
        ("5.15.0-rc3-91-generic", "< 5.15", True),
        ("1.1.1k", "== 1.1.1", False),
        ("1.1.1k", "> 1.1.1j", True),
        ("1.1.1a", "> 1.1.1", True),
        ("1.7.0-SNAPSHOT", ">= 1.7.0", False),
        ("1.7.0-SNAPSHOT", "> 1.6.9", True),
        ("1.7.0-m1", ">= 1.7.0", False),
        ("10.0.0-M11", "> 10.0.0-M9", True),
        ("1.0a1", ">= 1.0", False),
        ("1.0b2", "> 1.0a3", True),
        ("1.0.dev3", "< 1.0", True),
        ("17-ea", "< 17", True),
        ("1.7.0-4-SNAPSHOT", "< 1.7.0-4", True),
        ("3.10.0-1160.el7a1.x86_64", "> 3.10.0-1160.el7", True),
        ("1.0-1+b1", "> 1.0-1", True),
        ("5:20.10.24", "> 24.0", True),
        ("05.004", "== 5.4", True),
        ("", ">= 0", False),
        ("new", "< 99", False),
        ("new", "!= 99", True),
        ("1" * 1_000_000, ">= 1", True),
        ("1." * 500_000 + "1", "> 1.1", True),
        ("1-" * 500_000 + "1", "> 1-1", True),
        ("1.12345678901234567890123456789", "> 1.12345678901234567890123456788", True),
        ("1.12345678901234567890123456789", "== 1.12345678901234567890123456788", False),
        ("5.4", ">= 5.4.0-91-generic", False),
        ("5.4 beta", ">= 5.3", False),
        ("5.4 beta", "!= 5.4", True),
    ],
)
def test_a_condition_holds_or_not(version: str, condition: str, holds: bool) -> None:
    assert condition_fault(condition) is None
    assert satisfies(version, condition) is holds


def test_versions_are_in_order() -> None:
    ascending = ["0", *_BEFORE_RELEASE, "1", "1-1", "1a", "1+x", "1.0.1", "1.9", "1.10"]
    for lower, higher in itertools.combinations(ascending, 2):
        assert satisfies(lower, f"< {higher}"), (lower, higher)
        assert satisfies(higher, f"> {lower}"), (lower, higher)
        assert satisfies(lower, f"!= {higher}"), (lower, higher)


def test_versions_of_semantic_versioning_are_in_its_order() -> None:
    """The example of https://semver.org, number 11."""
    ascending = ["alpha", "alpha.1", "alpha.beta", "beta", "beta.2", "beta.11", "rc.1"]
    versions = [*(f"1.0.0-{each}" for each in ascending), "1.0.0", "2.0.0", "2.1.0", "2.1.1"]
    for lower, higher in itertools.combinations(versions, 2):
        assert satisfies(lower, f"< {higher}"), (lower, higher)
        assert not satisfies(higher, f"<= {lower}"), (lower, higher)


@pytest.mark.parametrize(
    "condition", ["", "5.4", ">=", ">= x", "~> 5.4", ">= 5.4 or so", ">= 5.x", "< 5.4.X", ">= 5.*", ">= " + "1" * 99]
)
def test_what_is_no_condition_is_told(condition: str) -> None:
    assert 'as ">= 5.4"' in (condition_fault(condition) or "")
    with pytest.raises(ValueError, match=r"wanted (one of|a version)"):
        satisfies("5.4", condition)


def test_a_wrong_version_behind_a_right_sign_is_named() -> None:
    assert condition_fault(">= 5.x") == (
        "wanted a version that begins with its numbers, without x or *, as \">= 5.4\", after >=; got '5.x'"
    )


def test_a_version_of_any_length_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def parse(text: str) -> object:
        read.append(text)
        return versions._parse(text)

    monkeypatch.setattr(versions, "_parsed_long", lru_cache(maxsize=16)(parse))
    long = "1." + "5" * 200
    assert satisfies(long, ">= 1.4") and not satisfies(long, "< 1.4")
    assert read == [long]
