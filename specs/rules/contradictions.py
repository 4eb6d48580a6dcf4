"""Constraints of which no agent can meet both, or fewer than are wanted: found before anything waits for them.

An agent is taken to have one value of a field. Some have several, and two rules that want different ones of them are
refused here as well: CONTAINS says that they are meant.

Looked at are those that must hold together: the constraints of a group, and the parts of `all`. What stands in `any`
or `not` is not searched.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import assert_never

from specs.model.constraints import Constraint
from specs.model.operators import CountingKind, Narrows, Operator
from specs.model.predicates import compares, holds
from specs.model.thousandths import thousandths

Path = tuple[str | int, ...]
"""A constraint's place: its index, and those of the parts on the way down."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two constraints that leave room for `most_tasks` tasks, mostly none. The place of `first` is to follow the
    message."""

    message: str
    first: Path
    second: Path
    most_tasks: int


_Placed = tuple[Path, Constraint]


def contradictions(constraints: tuple[Constraint, ...], instances: int) -> tuple[Contradiction, ...]:
    """One for each constraint that, with an earlier one of the same field, leaves too little room for `instances`.

    That no agent meets both is told of none as well. The constraints' values must be valid.
    """
    found: dict[Path, Contradiction] = {}
    for one in _pairs(constraints):
        if one.most_tasks < max(instances, 1):
            found.setdefault(one.second, one)
    return tuple(found.values())


@lru_cache(maxsize=256)
def _pairs(constraints: tuple[Constraint, ...]) -> tuple[Contradiction, ...]:
    """All pairs that leave room for so many tasks only. Groups of a service often have the same constraints."""
    by_field: dict[str, list[_Placed]] = {}
    found: list[Contradiction] = []
    for index, rule in enumerate(constraints):
        for path, leaf in _together((index,), rule):
            earlier = by_field.setdefault(leaf.field, [])
            found += (one for place, other in earlier if (one := _pair(place, other, path, leaf)))
            earlier.append((path, leaf))
    return tuple(found)


def _together(path: Path, rule: Constraint) -> Iterator[_Placed]:
    """The constraint, or what an `all` is made of."""
    if rule.operator is Operator.ALL:
        for index, part in enumerate(rule.parts):
            yield from _together((*path, "parts", index), part)
    elif not rule.parts:
        yield path, rule


def _pair(place: Path, other: Constraint, path: Path, rule: Constraint) -> Contradiction | None:
    why, tasks = _why_not(other, rule) or _why_not(rule, other), 0
    if not why and (most := _most_tasks(other, rule)) is not None:
        why, tasks = f"they leave room for {most:,} {'task' if most == 1 else 'tasks'} only", most
    if not why:
        return None
    return Contradiction(f"{rule} cannot hold together with {other}: {why}. The other is at", place, path, tasks)


def _why_not(one: Constraint, other: Constraint) -> str:
    """The reason why no agent meets both, seen from `one`; "" where there is none."""
    narrows = one.declared.narrows
    match narrows:
        case Narrows.TO_NONE:
            takes_missing = other.declared.accepts_missing
            return "" if takes_missing else f"an agent without {one.field} is refused by the other"
        case Narrows.TO_VALUES:
            if not one.values or _may_be_both(one, other):
                return ""
            if other.declared.accepts_missing:
                return f"no agent's {one.field} is both"
            return f"no value of {one.field} is both"
        case Narrows.BELOW:
            is_empty = other.declared.narrows is Narrows.ABOVE and _is_empty(one, other)
            return f"no number is both, and {one.field} must be one" if is_empty else ""
        case Narrows.ABOVE | Narrows.BY_VALUES | Narrows.BY_TEST | Narrows.NOT:
            return ""  # seen from the other one, if at all
        case _:
            assert_never(narrows)


def _may_be_both(exact: Constraint, other: Constraint) -> bool:
    """Whether an agent that has one of the values of `exact` can satisfy `other`."""
    narrows = other.declared.narrows
    match narrows:
        case Narrows.TO_VALUES:
            return not other.values or not _values(exact).isdisjoint(_values(other))
        case Narrows.BY_VALUES:
            return not _values(exact) <= _values(other)
        case Narrows.BELOW | Narrows.ABOVE:
            numbers = (value for value in _values(exact) if isinstance(value, Decimal))
            return any(compares(other.operator, number, _limit(other)) for number in numbers)
        case Narrows.BY_TEST:
            # A number can be written in many ways, so that any of them can pass.
            return any(isinstance(value, Decimal) or holds(other, value) for value in _values(exact))
        case Narrows.TO_NONE | Narrows.NOT:
            return True
        case _:
            assert_never(narrows)


@lru_cache(maxsize=1024)
def _values(rule: Constraint) -> frozenset[Decimal | str]:
    """Its values as they are compared: numbers to the nearest thousandth, 2 as 2.0, texts as they are."""
    return frozenset(value if (number := thousandths(value)) is None else number for value in rule.values)


def _is_empty(upper: Constraint, lower: Constraint) -> bool:
    """Whether no number is below the one limit and above the other."""
    is_open = upper.operator is Operator.LESS or lower.operator is Operator.MORE
    return _limit(upper) <= _limit(lower) if is_open else _limit(upper) < _limit(lower)


def _most_tasks(one: Constraint, other: Constraint) -> int | None:
    """The limit on tasks where one rule limits the tasks of a value, and the other names the values; else None."""
    for counting, exact in ((one, other), (other, one)):
        if counting.counting is CountingKind.AT_MOST and exact.declared.narrows is Narrows.TO_VALUES:
            return counting.most * max(len(_values(exact)), 1)
    return None


def _limit(rule: Constraint) -> Decimal:
    return thousandths(rule.values[0]) or Decimal()
