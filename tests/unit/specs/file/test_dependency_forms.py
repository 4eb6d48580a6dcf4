"""Links and dependencies in every form."""

from __future__ import annotations

import pytest

from specs.model.stack import Condition, Dependency, OnChange
from tests.kit.stack_files import load


def test_links_and_depends_on_together() -> None:
    stack = load(
        """
services:
  web:
    image: a
    links: [db, "api:api"]
    depends_on: {db: {condition: service_healthy}, job: completed}
  db: {image: a, health: {command: "true"}}
  api: {image: a}
  job: {image: a, restart: on-failure}
"""
    )
    web = next(group for group in stack.groups if group.id.service == "web")
    assert web.dependencies == (
        Dependency(service="api"),
        Dependency(service="db", condition=Condition.HEALTHY),
        Dependency(service="job", condition=Condition.COMPLETED),
    )


@pytest.mark.parametrize(
    ("words", "follows"),
    [
        ("{condition: healthy, on_change: signal hup}", OnChange.SIGNAL),
        ("{condition: healthy, on_change: {signal: SIGHUP}}", OnChange.SIGNAL),
        ("{condition: healthy, on_change: {signal: 1}}", OnChange.SIGNAL),
        ("{condition: healthy, on_change: restart}", OnChange.RESTART),
        ("{condition: service_healthy, restart: true}", OnChange.RESTART),
        ("{condition: service_healthy, restart: false}", OnChange.NONE),
        ("{condition: healthy, on_change: none}", OnChange.NONE),
        ("healthy", OnChange.NONE),
    ],
)
def test_what_follows_a_change_of_a_dependency(words: str, follows: OnChange) -> None:
    text = f"""
services:
  web:
    image: a
    links: [db]
    depends_on:
      db: {words}
  db: {{image: a, health: {{command: "true"}}}}
"""
    web = next(group for group in load(text).groups if group.id.service == "web")
    signal = "SIGHUP" if follows is OnChange.SIGNAL else ""
    assert web.dependencies == (
        Dependency(service="db", condition=Condition.HEALTHY, on_change=follows, signal=signal),
    )
