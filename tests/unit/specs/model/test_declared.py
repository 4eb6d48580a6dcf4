"""Every field of a group says what holds of it, and what a file can say reaches the model."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator
from enum import Enum
from functools import cache
from typing import Any

import pytest

from specs.file.fields import Nested, Table
from specs.file.vocabulary import SERVICE
from specs.model.declared import SECRET, WITHIN, Declaration, Effect, declarations, with_effect, with_text
from specs.model.stack import Container, Group, HealthCheck, Hook, Port, Template


@cache
def hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def holds_text(hint: Any) -> bool:
    """Whether a value of the type may hold a text that somebody has written."""
    if hint is str:
        return True
    if isinstance(hint, typing.NewType):
        return holds_text(hint.__supertype__)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return False
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return any(holds_text(part) for part in hints(hint).values() if part != tuple[hint, ...])
    return any(holds_text(part) for part in typing.get_args(hint))


def classes_in(hint: Any) -> Iterator[type]:
    """The dataclasses of which the type is made."""
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        yield hint
    for part in typing.get_args(hint):
        yield from classes_in(part)


def faults(kind: type, needs_effect: bool) -> Iterator[str]:
    """The fields of the class that do not say all that they must, and of the classes of its values."""
    for name, said in declarations(kind):
        hint = hints(kind)[name]
        if needs_effect and said.effect is None and said.text is not WITHIN:
            yield f"{kind.__name__}.{name} does not say what a change of it needs: replaces, in_place, scheduler_only"
        if holds_text(hint) and said.text is None:
            yield f"{kind.__name__}.{name} does not say whether its text may be a secret: PLAIN, SECRET, WITHIN"
        for inner in classes_in(hint):
            if said.text is WITHIN:
                yield from faults(inner, needs_effect=inner is Container)
            elif any(each != Declaration() for _, each in declarations(inner)):
                yield f"{kind.__name__}.{name} is not WITHIN, and fields of {inner.__name__} say something"


def test_every_field_of_a_group_says_what_holds_of_it() -> None:
    assert list(faults(Group, needs_effect=True)) == []


def test_a_field_that_says_nothing_is_found() -> None:
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Silent:
        text: str = ""
        number: int = 0
        ports: tuple[Port, ...] = ()

    hints.cache_clear()
    found = [each.split(" does")[0] for each in faults(Silent, needs_effect=True)]
    assert found == ["Silent.text", "Silent.text", "Silent.number", "Silent.ports", "Silent.ports"]


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        (Container, {"command", "entrypoint", "environment", "labels"}),
        (HealthCheck, {"command", "headers"}),
        (Hook, {"command", "environment"}),
        (Template, {"content", "command"}),
        (Group, {"metadata"}),
    ],
)
def test_what_may_be_a_secret(kind: type, wanted: set[str]) -> None:
    assert set(with_text(kind, SECRET)) == wanted


def test_what_is_applied_in_place() -> None:
    """A new one is also applied by the executor: executor.core.inplace_update."""
    wanted = {"health", "ready", "metrics", "stop", "pre_stop", "pull", "pull_timeout_seconds"}
    assert set(with_effect(Container, Effect.IN_PLACE)) == wanted
    assert set(with_effect(Group, Effect.SCALES)) == {"instances"}


def test_limits_are_of_numbers_and_the_default_keeps_them() -> None:
    for name, said in declarations(Container):
        if said.least is not None or said.most is not None:
            assert said.least is not None and said.most is not None and hints(Container)[name] is int, name
            assert said.least <= getattr(Container(), name) <= said.most, name


# ---- the file ---------------------------------------------------------------------

ELSEWHERE = {"stop": "stop.", "volumes": "volumes"}
"""Fields whose target in the file does not begin with container."""


def targets(table: Table) -> Iterator[str]:
    for field in table.fields:
        if isinstance(field.kind, Nested):
            yield from targets(field.kind.table)
        else:
            yield field.target


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Container)])
def test_every_field_of_a_container_has_a_key_in_the_file(name: str) -> None:
    """specs.file.vocabulary says which."""
    wanted = ELSEWHERE.get(name, f"container.{name}")
    assert any(target.startswith(wanted) for target in targets(SERVICE)), f"no key of a stack file sets {wanted}"
