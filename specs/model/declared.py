"""One place declares a field: the line of its dataclass. What holds of the field is said there, and read here.

    environment: Pairs = replaces((), SECRET)              a change of it makes new tasks; its texts may be secret
    health: HealthCheck | None = in_place(None, WITHIN)    tasks that run are given the new one; its class says the rest
    shm_size_mib: int = replaces(0, needs_image=True, least=0, most=2**31)

It is walked by the container's hash and the in-place settings (specs.model.in_place), the class of a change
(specs.model.difference), the rules of a container (specs.rules.container_rules), the journal's mask
(framework.core.journal). tests/unit/specs/model/test_declared.py fails for a field that says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from enum import Enum
from functools import cache
from typing import Any, TypeVar

_T = TypeVar("_T")
_KEY = "declared"


class Effect(Enum):
    """The effect of a change of a field."""

    REPLACES = "replaces"
    """New containers: it is part of the container's hash."""
    IN_PLACE = "in place"
    """A message to the executors of the tasks that run: it is one of the in-place settings."""
    SCALES = "scales"
    """More tasks or fewer."""
    METADATA = "metadata"
    """Nothing of any task."""


class Text(Enum):
    """Whether the texts of a field may be written where others read them (the journal)."""

    PLAIN = "plain"
    """They may: no secret belongs there."""
    SECRET = "secret"
    """They may be a secret. Of pairs only the second text, for the first is a name."""
    QUOTES = "quotes"
    """They may quote the output of a task or of a check."""
    WITHIN = "within"
    """The class of the value says it of each of its own fields."""


PLAIN, SECRET, QUOTES, WITHIN = Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """The declaration of a field."""

    effect: Effect | None = None
    """The effect of a change. None in the classes of values within a container: the field that holds them says it."""
    text: Text | None = None
    """None where it holds no text."""
    needs_image: bool = False
    """Whether it means nothing for a plain process."""
    least: int | None = None
    """The lowest number that it may be."""
    most: int | None = None
    """The highest number that it may be."""
    named_by: str = ""
    """The field that tells one value of a list from another."""


_NOTHING = Declaration()


def says(text: Text | None = None, effect: Effect | None = None, **more: Any) -> Mapping[str, Declaration]:
    """A declaration as the metadata of a field that has no default: `field(metadata=says(SECRET))`."""
    return {_KEY: Declaration(effect=effect, text=text, **more)}


def replaces(
    default: _T,
    text: Text | None = None,
    *,
    needs_image: bool = False,
    least: int | None = None,
    most: int | None = None,
    named_by: str = "",
) -> _T:
    """A field, with its default, of which a change needs new containers."""
    more = {"needs_image": needs_image, "least": least, "most": most, "named_by": named_by}
    return _field(default, says(text, Effect.REPLACES, **more))


def in_place(default: _T, text: Text | None = None) -> _T:
    """A field, with its default, whose change is given to the tasks that run."""
    return _field(default, says(text, Effect.IN_PLACE))


def scheduler_only(default: _T, text: Text | None = None, *, named_by: str = "") -> _T:
    """A field, with its default, whose change needs nothing of any task: the scheduler alone goes by it."""
    return _field(default, says(text, Effect.METADATA, named_by=named_by))


def plain(default: _T) -> _T:
    """A text field, with its default, that holds no secret."""
    return _field(default, says(PLAIN))


def secret(default: _T) -> _T:
    """A field, with its default, whose texts may be a secret."""
    return _field(default, says(SECRET))


def quotes(default: _T) -> _T:
    """A field, with its default, that may quote the output of a task or of a check."""
    return _field(default, says(QUOTES))


def within(default: _T) -> _T:
    """A field, with its default, whose value says it of each of its own fields."""
    return _field(default, says(WITHIN))


def _field(default: _T, said: Mapping[str, Declaration]) -> _T:
    made: _T = field(default=default, metadata=said)
    return made


def declaration(one: Field[Any]) -> Declaration:
    """The declaration of a field; empty where it has none."""
    found: Declaration = one.metadata.get(_KEY, _NOTHING)
    return found


def declarations(kind: type) -> Iterator[tuple[str, Declaration]]:
    """The fields of a dataclass by name, each with what it says."""
    return ((one.name, declaration(one)) for one in fields(kind))


@cache
def with_effect(kind: type, effect: Effect) -> tuple[str, ...]:
    """The fields of a dataclass whose change has this effect."""
    return tuple(name for name, said in declarations(kind) if said.effect is effect)


@cache
def with_text(kind: type, text: Text) -> tuple[str, ...]:
    """The fields of a dataclass whose texts are such."""
    return tuple(name for name, said in declarations(kind) if said.text is text)
