"""The test of a field's value by a constraint: the one part of an operator that is not in its declaration."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import assert_never

from specs.model import patterns, versions
from specs.model.constraints import Constraint
from specs.model.operators import DECLARED, Operator
from specs.model.thousandths import thousandths


def holds(rule: Constraint, value: str | None) -> bool:
    """Whether `value` does, None where the agent has no such field; `rule` neither counts nor combines.

    UNIQUE, MAX_PER, GROUP_BY and CLUSTER without a value ask here only that the field is there.
    """
    if value is None:
        return DECLARED[rule.operator].accepts_missing
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
        case Operator.IS_SET | Operator.UNIQUE | Operator.MAX_PER | Operator.GROUP_BY:
            return True
        case Operator.ANY | Operator.ALL | Operator.NOT:
            raise ValueError(f"wanted a rule about one value, got {rule}")
        case _:
            assert_never(rule.operator)


def holds_of_any(rule: Constraint, values: Sequence[str]) -> bool:
    """The same for an agent that has all of `values`, or none. One of them is enough; an operator that accepts a
    missing field must refuse none of them."""
    if not values:
        return holds(rule, None)
    return (all if DECLARED[rule.operator].accepts_missing else any)(holds(rule, value) for value in values)


def _is_same(value: str, wanted: str) -> bool:
    """Texts are compared as they are, numbers to the nearest thousandth: 2 is 2.0."""
    if value == wanted:
        return True
    number = thousandths(value)
    return number is not None and number == thousandths(wanted)


def _compares(operator: Operator, value: str, wanted: str) -> bool:
    """Compares as numbers; a text that is no number never compares."""
    left, right = thousandths(value), thousandths(wanted)
    return left is not None and right is not None and compares(operator, left, right)


def compares(operator: Operator, left: Decimal, right: Decimal) -> bool:
    """Whether `left` is on the side of `right` that the operator names."""
    match operator:
        case Operator.LESS:
            return left < right
        case Operator.AT_MOST:
            return left <= right
        case Operator.MORE:
            return left > right
        case Operator.AT_LEAST:
            return left >= right
        case _:
            raise ValueError(f"wanted an operator that compares numbers, got {operator}")


def _contains(value: str, wanted: str) -> bool:
    """An item of a set {a,b}, a number in ranges [1-2,5-6], a word of a text with commas."""
    if value[:1] == "[" and value[-1:] == "]":
        number = thousandths(wanted)
        if number is None:
            return False
        return any(_is_within(number, part) for part in value[1:-1].split(","))
    if value[:1] == "{" and value[-1:] == "}":
        value = value[1:-1]
    return any(part.strip() == wanted for part in value.split(","))


def _is_within(number: Decimal, part: str) -> bool:
    """Whether a range 5-6, or 5 alone, has a number of thousandths; what is no range has none."""
    first, _, last = part.partition("-")
    low, high = thousandths(first), thousandths(last or first)
    return low is not None and high is not None and low <= number <= high
