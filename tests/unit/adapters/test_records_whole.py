"""No stored field is forgotten: values of which every field is other than its default come back as they were.

The values are made from the classes, so a new field is tried without a word here.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any

import pytest

from framework.adapters import histories, records, spec_records
from framework.core.commands import PutFramework
from framework.core.model import Answered, History, KnownAgent, Rollouts, StackSpec, Task, Version
from specs.ids import GroupId, TaskId, group_id
from specs.model.constraints import Constraint
from specs.model.operators import Operator

STACK = "x"  # as every other text that has no default
ONE_OF_ITS_KIND: dict[Any, Any] = {
    GroupId: group_id(STACK, "web", ("dev",)),
    TaskId: TaskId("x.web.0.7"),
    Constraint: Constraint(operator=Operator.ANY, parts=(Constraint(operator=Operator.UNIQUE, field="hostname"),)),
}
"""Values that must have a form of their own."""


def whole(kind: Any, default: Any = None) -> Any:
    """A value of the kind that is neither the default nor empty, and has no empty field."""
    if kind in ONE_OF_ITS_KIND:
        return ONE_OF_ITS_KIND[kind]
    if isinstance(kind, typing.NewType):
        return whole(kind.__supertype__, default)
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return whole(next(each for each in args if each is not type(None)), default)
    if origin is typing.Literal:
        return next(each for each in args if each != default)
    if origin is tuple:
        return (whole(args[0]),) if args[-1] is Ellipsis else tuple(whole(each) for each in args)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return kind(**{field.name: value for field, value in _fields(kind)})
    if issubclass(kind, Enum):
        return next(each for each in reversed(list(kind)) if each != default)
    if kind is bool:
        return default is not True
    if kind in (int, float):
        return kind((default or 0) + 3)
    assert kind is str, f"wanted a kind that records know; got {kind}: say here how one is made"
    return f"{default or ''}x"


def _fields(kind: Any) -> Iterator[tuple[dataclasses.Field[Any], Any]]:
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        default = None if field.default is dataclasses.MISSING else field.default
        yield field, whole(hints[field.name], default)


ROUND_TRIPS: dict[type, Callable[[Any], Any]] = {
    PutFramework: lambda put: records.framework_of(records.framework_node(put)),
    StackSpec: lambda stack: spec_records.stack_of(spec_records.stack_node(stack)),
    Version: lambda version: records.version_of(records.version_node(version)),
    Task: lambda task: records.bucket_of(records.bucket_node([records.task_bytes(task)]))[0][0],
    KnownAgent: lambda agent: records.agents_of(records.bucket_node([records.agent_bytes(agent)]))[0][0],
    Answered: lambda answer: records.answers_of(records.bucket_node([records.answer_bytes(answer)]))[0][0],
    Rollouts: lambda rollouts: spec_records.rollouts_of(spec_records.rollouts_node(rollouts)),
    History: lambda history: histories.history_of(histories.history_node(history)),
}


@pytest.mark.parametrize("kind", ROUND_TRIPS)
def test_every_field_comes_back(kind: type) -> None:
    value = whole(kind)
    found = ROUND_TRIPS[kind](value)
    for field in dataclasses.fields(kind):
        assert getattr(found, field.name) == getattr(value, field.name), field.name


def test_a_forgotten_field_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    forgetful = dataclasses.replace(whole(Task), sandbox="")
    monkeypatch.setitem(ROUND_TRIPS, Task, lambda _task: forgetful)
    with pytest.raises(AssertionError, match="sandbox"):
        test_every_field_comes_back(Task)
