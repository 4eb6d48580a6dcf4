"""Whether the value of an agent satisfies a constraint: every operator, every kind of value, and none at all."""

from __future__ import annotations

import pytest

from specs.model.constraints import Constraint
from specs.model.operators import COMBINING, Operator
from specs.model.predicates import holds
from tests.kit.cluster_of import rule

NEGATIVE = {Operator.UNLIKE, Operator.NOT_EQUAL, Operator.NOT_IN, Operator.IS_NOT_SET}
FIELD_OPERATORS = [operator for operator in Operator if operator not in COMBINING]


@pytest.mark.parametrize("operator", FIELD_OPERATORS)
def test_an_agent_without_the_field_is_taken_by_negative_operators_only(operator: Operator) -> None:
    values = () if operator in (Operator.UNIQUE, Operator.IS_SET, Operator.IS_NOT_SET) else ("1",)
    assert holds(rule("rack", operator, *values), None) is (operator in NEGATIVE)


@pytest.mark.parametrize(
    ("operator", "wanted", "value", "is_met"),
    [
        # Whole values, as Java's `matches`: neither a prefix nor a part.
        (Operator.LIKE, "us-.*", "us-east", True),
        (Operator.LIKE, "us-.*", "eu-us-east", False),
        (Operator.LIKE, "us", "us-east", False),
        (Operator.LIKE, "a|b", "b", True),
        (Operator.LIKE, "a|b", "ab", False),
        (Operator.LIKE, "r[1-3]", "r3", True),
        (Operator.LIKE, "R1", "r1", False),
        (Operator.LIKE, "", "r1", False),
        (Operator.UNLIKE, "us-.*", "us-east", False),
        (Operator.UNLIKE, "us-.*", "eu-us-east", True),
        (Operator.UNLIKE, "us", "us-east", True),
        # Marathon compares the text of CLUSTER as it is.
        (Operator.CLUSTER, "r1", "r1", True),
        (Operator.CLUSTER, "r1", "r2", False),
        (Operator.CLUSTER, "r1", "R1", False),
        (Operator.CLUSTER, "1", "1.0", False),
        (Operator.IS, "r1", "r1", True),
        (Operator.IS, "r1", "r10", False),
        (Operator.IS, "{a,b}", "{a,b}", True),
        (Operator.IS, "{b,a}", "{a,b}", False),
        (Operator.IS, "[1-2,5-6]", "[1-2,5-6]", True),
        # Numbers to the nearest thousandth.
        (Operator.IS, "2.0", "2", True),
        (Operator.IS, "0.5", "0.500", True),
        (Operator.IS, "0.5001", "0.5", True),
        (Operator.IS, "0.501", "0.5", False),
        (Operator.IS, "-1", "-1.0004", True),
        (Operator.IS, "2.0", "2.0.0", False),
        (Operator.EQUAL, "r1", "r1", True),
        (Operator.EQUAL, "2.0", "2", True),
        (Operator.EQUAL, "r1", "r2", False),
        (Operator.NOT_EQUAL, "r1", "r1", False),
        (Operator.NOT_EQUAL, "r1", "r2", True),
        (Operator.NOT_EQUAL, "2.0", "2", False),
        # By number, not by letter.
        (Operator.LESS, "10", "9", True),
        (Operator.LESS, "9", "10", False),
        (Operator.LESS, "9", "9", False),
        (Operator.LESS, "0", "-0.5", True),
        (Operator.AT_MOST, "9", "9.0", True),
        (Operator.AT_MOST, "9", "9.001", False),
        (Operator.AT_MOST, "9", "9.0004", True),
        (Operator.MORE, "9", "10", True),
        (Operator.MORE, "9", "9.0", False),
        (Operator.AT_LEAST, "9", "9", True),
        (Operator.AT_LEAST, "9", "8.999", False),
        (Operator.LESS, "9", "r1", False),
        (Operator.AT_LEAST, "9", "r1", False),
        (Operator.LESS, "r2", "1", False),
        (Operator.MORE, "0", "[1-2]", False),
        (Operator.MORE, "0", "1e3", False),
        (Operator.AT_LEAST, "1", "9" * 400, True),
        (Operator.AT_LEAST, "1", "9" * 1_000_000, True),
        # Every digit counts, however many there are.
        (Operator.EQUAL, "12345678901234567890123456789", "12345678901234567890123456788", False),
        (Operator.EQUAL, "12345678901234567890123456789", "12345678901234567890123456789.0004", True),
        (Operator.LESS, "12345678901234567890123456789", "12345678901234567890123456788", True),
        (Operator.NOT_EQUAL, "1" * 999_999 + "2", "1" * 999_999 + "3", True),
        (Operator.CONTAINS, "1" * 40, f"[{'1' * 39}2-{'1' * 39}3]", False),
        # An item of a set, a number in ranges, a word of a text with commas.
        (Operator.CONTAINS, "ssd", "{hdd,ssd}", True),
        (Operator.CONTAINS, "ss", "{hdd,ssd}", False),
        (Operator.CONTAINS, "hdd,ssd", "{hdd,ssd}", False),
        (Operator.CONTAINS, "5", "[1-2,5-6]", True),
        (Operator.CONTAINS, "6", "[1-2,5-6]", True),
        (Operator.CONTAINS, "4", "[1-2,5-6]", False),
        (Operator.CONTAINS, "7", "[7]", True),
        (Operator.CONTAINS, "1.5", "[1-2]", True),
        (Operator.CONTAINS, "a", "[1-2]", False),
        (Operator.CONTAINS, "1", "[]", False),
        (Operator.CONTAINS, "1", "[a-b]", False),
        (Operator.CONTAINS, "ssd", "hdd, ssd", True),
        (Operator.CONTAINS, "ssd", "ssd", True),
        (Operator.CONTAINS, "ssd", "ssds", False),
        (Operator.CONTAINS, "a", "{}", False),
    ],
)
def test_one_value(operator: Operator, wanted: str, value: str, is_met: bool) -> None:
    assert holds(rule("field", operator, wanted), value) is is_met


@pytest.mark.parametrize(
    ("operator", "wanted", "value", "is_met"),
    [
        (Operator.IN, ("a", "b"), "b", True),
        (Operator.IN, ("a", "b"), "c", False),
        (Operator.IN, ("1.0", "b"), "1", True),
        (Operator.IN, ("a,b",), "a", False),
        (Operator.IN, ("{a,b}", "c"), "{a,b}", True),
        (Operator.NOT_IN, ("a", "b"), "b", False),
        (Operator.NOT_IN, ("a", "b"), "c", True),
        (Operator.NOT_IN, ("1.0",), "1", False),
        (Operator.VERSION, (">= 5.4", "< 6"), "5.15.0-91-generic", True),
        (Operator.VERSION, (">= 5.4", "< 6"), "6.1", False),
        (Operator.VERSION, (">= 5.10",), "5.4", False),
        (Operator.VERSION, ("== 1.2",), "1.2.0", True),
    ],
)
def test_several_values(operator: Operator, wanted: tuple[str, ...], value: str, is_met: bool) -> None:
    assert holds(rule("field", operator, *wanted), value) is is_met


@pytest.mark.parametrize("value", ["r1", "", "0", "{}"])
def test_a_field_is_set_whatever_its_value(value: str) -> None:
    assert holds(rule("rack", Operator.IS_SET), value)
    assert not holds(rule("rack", Operator.IS_NOT_SET), value)


@pytest.mark.parametrize(
    "counting",
    [
        rule("rack", Operator.UNIQUE),
        rule("rack", Operator.GROUP_BY),
        rule("rack", Operator.MAX_PER, "2"),
        rule("rack", Operator.CLUSTER),
    ],
    ids=str,
)
def test_of_a_rule_that_counts_only_the_field_is_asked(counting: Constraint) -> None:

    assert holds(counting, "r1")
