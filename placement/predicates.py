"""Whether the value that an agent has in a field satisfies a constraint that does not count tasks."""

from __future__ import annotations

import re
from decimal import Decimal

from specs import patterns, versions
from specs.constraints import Constraint, Operator

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_WITHOUT_FIELD = frozenset({Operator.UNLIKE, Operator.NOT_EQUAL, Operator.NOT_IN, Operator.IS_NOT_SET})


def holds(rule: Constraint, value: str | None) -> bool:
    """Whether `value` does, None where the agent has no such field; `rule` neither counts nor combines.

    UNIQUE, MAX_PER, GROUP_BY and CLUSTER without a value ask here only that the field is there.
    """
    if value is None:
        return rule.operator in _WITHOUT_FIELD
    match rule.operator:
        case Operator.LIKE:
            return patterns.matches(rule.values[0], value)
        case Operator.UNLIKE:
            return not patterns.matches(rule.values[0], value)
        case Operator.CLUSTER:
            return not rule.values or value == rule.values[0]
        case Operator.IS | Operator.EQUAL:
            return _is_same(value, rule.values[0])
        case Operator.NOT_EQUAL:
            return not _is_same(value, rule.values[0])
        case Operator.IN:
            return any(_is_same(value, wanted) for wanted in rule.values)
        case Operator.NOT_IN:
            return not any(_is_same(value, wanted) for wanted in rule.values)
        case Operator.LESS | Operator.AT_MOST | Operator.MORE | Operator.AT_LEAST:
            return _compares(rule.operator, value, rule.values[0])
        case Operator.CONTAINS:
            return _contains(value, rule.values[0])
        case Operator.VERSION:
            return all(versions.satisfies(value, condition) for condition in rule.values)
        case Operator.IS_NOT_SET:
            return False
        case _:
            return True


def _milli(text: str) -> Decimal | None:
    """A number in the thousandths to which Mesos counts; of any length, as agents and users may write any."""
    return Decimal(text.strip()).scaleb(3).to_integral_value() if _NUMBER.fullmatch(text.strip()) else None


def _is_same(value: str, wanted: str) -> bool:
    """Texts are compared as they are, numbers to the nearest thousandth: 2 is 2.0."""
    if value == wanted:
        return True
    number = _milli(value)
    return number is not None and number == _milli(wanted)


def _compares(operator: Operator, value: str, wanted: str) -> bool:
    """By number; what is none compares to nothing."""
    left, right = _milli(value), _milli(wanted)
    if left is None or right is None:
        return False
    if operator is Operator.LESS:
        return left < right
    if operator is Operator.AT_MOST:
        return left <= right
    return left > right if operator is Operator.MORE else left >= right


def _contains(value: str, wanted: str) -> bool:
    """An item of a set {a,b}, a number in ranges [1-2,5-6], a word of a text with commas."""
    if value[:1] == "[" and value[-1:] == "]":
        number = _milli(wanted)
        if number is None:
            return False
        return any(_is_within(number, part) for part in value[1:-1].split(","))
    if value[:1] == "{" and value[-1:] == "}":
        value = value[1:-1]
    return any(part.strip() == wanted for part in value.split(","))


def _is_within(number: Decimal, part: str) -> bool:
    """Whether a range 5-6, or 5 alone, has a number of thousandths; what is no range has none."""
    first, _, last = part.partition("-")
    low, high = _milli(first), _milli(last or first)
    return low is not None and high is not None and low <= number <= high
