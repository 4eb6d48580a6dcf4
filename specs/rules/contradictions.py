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

from specs.model.constraints import Constraint, Operator
from specs.model.patterns import matches
from specs.model.thousandths import thousandths
from specs.model.versions import satisfies

_TAKES_WITHOUT_FIELD = frozenset({Operator.UNLIKE, Operator.NOT_EQUAL, Operator.NOT_IN, Operator.IS_NOT_SET})
_LIMITS = frozenset({Operator.LESS, Operator.AT_MOST, Operator.MORE, Operator.AT_LEAST})
_EXACT = frozenset({Operator.IS, Operator.EQUAL, Operator.CLUSTER, Operator.IN})
Path = tuple[str | int, ...]
"""A constraint's place: its index, and those of the parts on the way down."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two constraints that leave room for `room` tasks, mostly none. The place of `first` is to follow the message."""

    message: str
    first: Path
    second: Path
    room: int


_Placed = tuple[Path, Constraint]


def contradictions(constraints: tuple[Constraint, ...], instances: int) -> tuple[Contradiction, ...]:
    """One for each constraint that, with an earlier one of the same field, leaves too little room for `instances`.

    That no agent meets both is told of none as well. The constraints' values must be valid.
    """
    found: dict[Path, Contradiction] = {}
    for one in _pairs(constraints):
        if one.room < max(instances, 1):
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
    why, room = _why_not(other, rule) or _why_not(rule, other), 0
    if not why and (most := _room(other, rule)) is not None:
        why, room = f"they leave room for {most:,} {'task' if most == 1 else 'tasks'} only", most
    if not why:
        return None
    return Contradiction(f"{rule} cannot hold together with {other}: {why}. The other is at", place, path, room)


def _why_not(one: Constraint, other: Constraint) -> str:
    """Why not both, seen from `one`; "" where nothing speaks against it."""
    if one.operator is Operator.IS_NOT_SET:
        return "" if other.operator in _TAKES_WITHOUT_FIELD else f"an agent without {one.field} is refused by the other"
    if one.operator in _EXACT and one.values:
        if _may_be_both(one, other):
            return ""
        if other.operator in _TAKES_WITHOUT_FIELD:
            return f"no agent's {one.field} is both"
        return f"no value of {one.field} is both"
    if one.operator in _LIMITS and other.operator in _LIMITS:
        return f"no number is both, and {one.field} must be one" if _is_empty(one, other) else ""
    return ""


def _may_be_both(exact: Constraint, other: Constraint) -> bool:
    """Whether an agent that has one of the values of `exact` may satisfy `other`."""
    if other.operator in _EXACT:
        return not other.values or not _values(exact).isdisjoint(_values(other))
    if other.operator in (Operator.NOT_EQUAL, Operator.NOT_IN):
        return not _values(exact) <= _values(other)
    return any(_may_be(value, other) for value in _values(exact))


@lru_cache(maxsize=1024)
def _values(rule: Constraint) -> frozenset[Decimal | str]:
    """Its values as they are compared: numbers to the nearest thousandth, 2 as 2.0, texts as they are."""
    return frozenset(value if (number := thousandths(value)) is None else number for value in rule.values)


def _may_be(value: Decimal | str, other: Constraint) -> bool:
    """Whether an agent whose field is `value` may satisfy `other`; a number may be written in many ways."""
    if other.operator in _LIMITS:
        return isinstance(value, Decimal) and _compares(other.operator, value, _limit(other))
    if isinstance(value, Decimal):
        return True
    if other.operator in (Operator.LIKE, Operator.UNLIKE):
        return matches(other.values[0], value) is (other.operator is Operator.LIKE)
    if other.operator is Operator.VERSION:
        return all(satisfies(value, condition) for condition in other.values)
    return True


def _compares(operator: Operator, left: Decimal, right: Decimal) -> bool:
    if operator is Operator.LESS:
        return left < right
    if operator is Operator.AT_MOST:
        return left <= right
    return left > right if operator is Operator.MORE else left >= right


def _is_empty(one: Constraint, other: Constraint) -> bool:
    """Whether no number meets both limits, of which `one` is the upper."""
    if one.operator not in (Operator.LESS, Operator.AT_MOST) or other.operator in (Operator.LESS, Operator.AT_MOST):
        return False
    is_open = one.operator is Operator.LESS or other.operator is Operator.MORE
    return _limit(one) <= _limit(other) if is_open else _limit(one) < _limit(other)


def _room(one: Constraint, other: Constraint) -> int | None:
    """For how many tasks there is room where one rule says how many to a value, and the other which values."""
    for counting, exact in ((one, other), (other, one)):
        if counting.operator not in (Operator.UNIQUE, Operator.MAX_PER) or exact.operator not in _EXACT:
            continue
        most = int(counting.values[0]) if counting.operator is Operator.MAX_PER else 1
        return most * max(len(_values(exact)), 1)
    return None


def _limit(rule: Constraint) -> Decimal:
    return thousandths(rule.values[0]) or Decimal()
