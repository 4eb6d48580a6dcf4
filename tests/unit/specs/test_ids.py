"""Names, groups and task ids."""

from __future__ import annotations

import pytest

from specs.ids import GroupId, group_id, name_fault, parse_group_id, task_id


@pytest.mark.parametrize("name", ["a", "web", "web-1", "1", "a--b", "a" * 63])
def test_names(name: str) -> None:
    assert name_fault(name) is None


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("", "is empty"),
        ("a" * 64, "is 64 characters long"),
        ("Web", "has 'W' at position 1"),
        ("my_web", "has '_' at position 3"),
        ("my.web", "has '.' at position 3"),
        ("wéb", "has 'é' at position 2"),
        ("web ", "has ' ' at position 4"),
        ("web\n", "has '\\n' at position 4"),
        ("-web", "has '-' at position 1"),
        ("web-", "has '-' at position 4"),
        ("-", "has '-' at position 1"),
    ],
)
def test_a_wrong_name_is_told_with_its_first_wrong_character(name: str, wanted: str) -> None:
    fault = name_fault(name)
    assert fault is not None
    assert fault.startswith(f"{wanted}; wanted 1 to 63 characters")


def test_groups_as_text_and_back() -> None:
    group = group_id("shop", "web", ["prod", "front", "prod"])
    assert group == GroupId("shop", "web", ("front", "prod"))
    assert str(group) == "shop/web[front,prod]"
    assert parse_group_id("shop/web[prod, front]") == group
    assert str(group_id("shop", "web")) == "shop/web"
    assert parse_group_id("shop/web[]") == parse_group_id("shop/web") == group_id("shop", "web")


@pytest.mark.parametrize(
    "text", ["", "shop", "shop/", "/web", "shop/web/x", "shop/web[a", "shop/web]a[", "shop[a]/web"]
)
def test_what_names_no_group(text: str) -> None:
    assert parse_group_id(text) is None


def test_task_ids() -> None:
    assert task_id(group_id("shop", "web", ["prod", "front"]), 2, 17) == "shop.web.front-prod.2.17"
    assert task_id(group_id("shop", "web"), 0, 1) == "shop.web.0.1"


@pytest.mark.parametrize(
    ("pattern", "does"),
    [
        ("shop", True),
        ("sh*", True),
        ("*", True),
        ("other", False),
        ("shop/web", True),
        ("shop/*", True),
        ("*/web", True),
        ("shop/w?b", True),
        ("shop/api", False),
        ("shop/web[prod]", True),
        ("shop/web[front,prod]", True),
        ("shop/web[prod, front]", True),
        ("shop/web[test]", False),
        ("shop/web[prod,test]", False),
        ("shop/web[]", True),
        ("*[prod]", True),
        ("*[test]", False),
        ("", False),
    ],
)
def test_patterns(pattern: str, does: bool) -> None:
    assert group_id("shop", "web", ["prod", "front"]).matches(pattern) is does
