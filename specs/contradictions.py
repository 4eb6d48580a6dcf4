"""Constraints of which no agent can meet both, or fewer than are wanted: found before anything waits for them.

Looked at are those that must hold together: the constraints of a group, and the parts of `all`. What stands in `any`
or `not` is not searched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from specs.constraints import Constraint, Operator
from specs.patterns import matches
from specs.versions import satisfies

NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")
"""What counts as a number for < <= > >=, and for the values that are compared to the nearest thousandth."""
_TAKES_WITHOUT_FIELD = frozenset({Operator.UNLIKE, Operator.NOT_EQUAL, Operator.NOT_IN, Operator.IS_NOT_SET})
_LIMITS = frozenset({Operator.LESS, Operator.AT_MOST, Operator.MORE, Operator.AT_LEAST})
_EXACT = frozenset({Operator.IS, Operator.EQUAL, Operator.CLUSTER, Operator.IN})
Path = tuple[str | int, ...]
"""A constraint's place: its index, and those of the parts on the way down."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two constraints that cannot both hold. The message ends where the place of `first` goes on."""

    message: str
    first: Path
    second: Path


_Placed = tuple[Path, Constraint]


@lru_cache(maxsize=256)
def contradictions(constraints: tuple[Constraint, ...], instances: int) -> tuple[Contradiction, ...]:
    """One for each constraint that contradicts an earlier one of the same field. Their values must be valid."""
    by_field: dict[str, list[_Placed]] = {}
    found: list[Contradiction] = []
    for index, rule in enumerate(constraints):
        for path, leaf in _together((index,), rule):
            earlier = by_field.setdefault(leaf.field, [])
            found += _first_against(earlier, path, leaf, instances)
            earlier.append((path, leaf))
    return tuple(found)


def _together(path: Path, rule: Constraint) -> Iterator[_Placed]:
    """The constraint, or what an `all` is made of."""
    if rule.operator is Operator.ALL:
        for index, part in enumerate(rule.parts):
            yield from _together((*path, "parts", index), part)
    elif not rule.parts:
        yield path, rule


def _first_against(earlier: list[_Placed], path: Path, rule: Constraint, instances: int) -> list[Contradiction]:
    for place, other in earlier:
        if why := _why_not(other, rule) or _why_not(rule, other) or _too_few(other, rule, instances):
            return [Contradiction(f"{rule} cannot hold together with {other}: {why}. The other is at", place, path)]
    return []


def _why_not(one: Constraint, other: Constraint) -> str:
    """Why not both, seen from `one`; "" where nothing speaks against it."""
    if one.operator is Operator.IS_NOT_SET:
        return "" if other.operator in _TAKES_WITHOUT_FIELD else f"an agent without {one.field} is refused by the other"
    if one.operator in _EXACT and one.values:
        if any(_may_be(value, other) for value in one.values):
            return ""
        return f"no agent's {one.field} is both"
    if one.operator in _LIMITS and other.operator in _LIMITS:
        return f"no number is both, and {one.field} must be one" if _is_empty(one, other) else ""
    return ""


def _may_be(value: str, other: Constraint) -> bool:
    """Whether an agent whose field is `value`, however it writes a number, may satisfy `other`."""
    operator, number = other.operator, milli(value)
    if operator in _EXACT:
        return not other.values or any(is_same(value, wanted) for wanted in other.values)
    if operator in (Operator.NOT_EQUAL, Operator.NOT_IN):
        return not any(is_same(value, unwanted) for unwanted in other.values)
    if operator in _LIMITS:
        return number is not None and _compares(operator, number, milli(other.values[0]) or 0)
    if number is not None:
        return True
    if operator in (Operator.LIKE, Operator.UNLIKE):
        return matches(other.values[0], value) is (operator is Operator.LIKE)
    if operator is Operator.VERSION:
        return all(satisfies(value, condition) for condition in other.values)
    return True


def _compares(operator: Operator, left: int, right: int) -> bool:
    if operator is Operator.LESS:
        return left < right
    if operator is Operator.AT_MOST:
        return left <= right
    return left > right if operator is Operator.MORE else left >= right


def _is_empty(one: Constraint, other: Constraint) -> bool:
    """Whether no number meets both limits, of which `one` is the upper."""
    if one.operator not in (Operator.LESS, Operator.AT_MOST) or other.operator in (Operator.LESS, Operator.AT_MOST):
        return False
    upper, lower = milli(one.values[0]) or 0, milli(other.values[0]) or 0
    is_open = one.operator is Operator.LESS or other.operator is Operator.MORE
    return upper <= lower if is_open else upper < lower


def _too_few(one: Constraint, other: Constraint, instances: int) -> str:
    """Whether fewer tasks than wanted may run where one rule says how many to a value and the other which values."""
    for counting, exact in ((one, other), (other, one)):
        if counting.operator not in (Operator.UNIQUE, Operator.MAX_PER) or exact.operator not in _EXACT:
            continue
        if exact.operator is Operator.CLUSTER or exact.values:
            most = int(counting.values[0]) if counting.values else 1
            most *= max(len(exact.values), 1)
            if most < instances:
                return f"they leave room for {most:,} of {instances:,} tasks"
    return ""


def milli(text: str) -> int | None:
    """A number in thousandths; None for what is none."""
    return round(float(text) * 1000) if NUMBER.fullmatch(text.strip()) else None


def is_same(value: str, wanted: str) -> bool:
    """Texts are compared as they are, numbers to the nearest thousandth: 2 is 2.0."""
    number = milli(value)
    return value == wanted or (number is not None and number == milli(wanted))
