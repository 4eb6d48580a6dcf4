"""The operators of constraints. Each is declared once here, and everything else walks its declaration.

To add one: a member of Operator, its entry in DECLARED, and a case in `specs/model/predicates.py` (mypy names the
place). Then `python -m specs.generate` writes the JSON Schema and the table of docs/stack-file.md. Reading, checking,
placing, explaining and curing follow from the declaration; tests/unit/specs/model/test_operators.py fails until all
parts are there. A new member of Takes, Narrows or CountingKind also gets a case in each `match` over it; mypy names
them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum


class Operator(StrEnum):
    """The operators by their words in a stack file and in stored records."""

    UNIQUE = "UNIQUE"
    CLUSTER = "CLUSTER"
    GROUP_BY = "GROUP_BY"
    MAX_PER = "MAX_PER"
    LIKE = "LIKE"
    UNLIKE = "UNLIKE"
    IS = "IS"
    EQUAL = "=="
    NOT_EQUAL = "!="
    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="
    IN = "IN"
    NOT_IN = "NOT IN"
    CONTAINS = "CONTAINS"
    IS_SET = "IS_SET"
    IS_NOT_SET = "IS_NOT_SET"
    VERSION = "VERSION"
    ANY = "any"
    ALL = "all"
    NOT = "not"

    # The hash of Enum is a call in Python, and operators are looked up for every rule that is placed.
    __hash__ = str.__hash__


class Takes(Enum):
    """The values that an operator takes. The text is the column of docs/stack-file.md."""

    NOTHING = "none"
    TEXT = "a text, or a number to the nearest thousandth"
    TEXT_OR_NOTHING = "none, or the one value"
    TEXTS = "texts with commas between; in a list or mapping, one item each"
    NUMBER = "a number"
    COUNT = "a whole number"
    COUNT_OR_NOTHING = "none, or a whole number; `quota` after it: the later of Marathon's two meanings"
    PATTERN = "a regular expression of RE2 for the whole value; a dollar sign is written `$$`"
    CONDITIONS = "conditions with commas between, as `>= 5.4, < 6`; all must hold"
    RULES = "rules"

    @property
    def is_several(self) -> bool:
        """Whether it takes more than one value, written with commas between."""
        return self in (Takes.TEXTS, Takes.CONDITIONS)

    @property
    def may_be_none(self) -> bool:
        """Whether no value is right too."""
        return self in (Takes.NOTHING, Takes.TEXT_OR_NOTHING, Takes.COUNT_OR_NOTHING)


class CountingKind(Enum):
    """The ways to depend on where the group's other tasks are."""

    #: A limit on the tasks of one domain: the value, or 1 without one.
    AT_MOST = "at most"
    #: All tasks in one domain.
    TOGETHER = "together"
    #: About the same number of tasks in each domain.
    EVENLY = "evenly"


class Narrows(Enum):
    """How an operator narrows the values of a field. Two rules that leave no value contradict each other."""

    #: Only the given values.
    TO_VALUES = "to values"
    #: Every value but the given ones.
    BY_VALUES = "by values"
    #: Only numbers below a limit.
    BELOW = "below"
    #: Only numbers above a limit.
    ABOVE = "above"
    #: Only texts that pass a test: each value is tried.
    BY_TEST = "by test"
    #: Only agents without the field.
    TO_NONE = "to none"
    #: Not at all, or in a way that is not looked into.
    NOT = "not"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorDeclaration:
    """All facts about an operator but the test of a value, which is in `specs/model/predicates.py`."""

    takes: Takes
    #: The meaning in one short sentence, for docs/stack-file.md.
    meaning: str
    #: (values of the rule, a value of the field that it accepts, one that it refuses or None): for docs and tests.
    example: tuple[tuple[str, ...], str, str | None] | None = None
    narrows: Narrows = Narrows.NOT
    #: Whether it accepts an agent that lacks the field. Of several values of an agent, none must then be refused.
    accepts_missing: bool = False
    #: How it counts tasks, None where it looks at the agent alone.
    counting: CountingKind | None = None
    #: Whether it counts only when written without a value.
    counts_without_value: bool = False
    #: Other words for it in stack files.
    also: tuple[str, ...] = ()
    #: Words of other systems: refused, with a hint to this operator.
    elsewhere: tuple[str, ...] = ()
    #: The operator to write for several values, where people try that with this one.
    for_several: Operator | None = None
    #: Whether refusals name the value alone ("wanted r1"), without the operator.
    is_implied: bool = False
    #: Whether an empty text counts as no value, as in Marathon's lists.
    ignores_empty_value: bool = False

    @property
    def is_combining(self) -> bool:
        """Whether it holds other rules and has no field."""
        return self.takes is Takes.RULES


DECLARED: Mapping[Operator, OperatorDeclaration] = {
    Operator.UNIQUE: OperatorDeclaration(
        takes=Takes.NOTHING,
        meaning="no two tasks with the same value",
        example=((), "r1", None),
        counting=CountingKind.AT_MOST,
        elsewhere=("DISTINCT", "DISTINCT_HOSTS"),
        ignores_empty_value=True,
    ),
    Operator.CLUSTER: OperatorDeclaration(
        takes=Takes.TEXT_OR_NOTHING,
        meaning="this value, letter by letter; without one: all tasks with the same value",
        example=(("r1",), "r1", "R1"),
        narrows=Narrows.TO_VALUES,
        counting=CountingKind.TOGETHER,
        counts_without_value=True,
        is_implied=True,
        ignores_empty_value=True,
    ),
    Operator.GROUP_BY: OperatorDeclaration(
        takes=Takes.COUNT_OR_NOTHING,
        meaning="evenly over the values, over so many at least",
        example=(("3",), "r1", None),
        counting=CountingKind.EVENLY,
        ignores_empty_value=True,
    ),
    Operator.MAX_PER: OperatorDeclaration(
        takes=Takes.COUNT,
        meaning="at most so many tasks with the same value",
        example=(("2",), "r1", None),
        counting=CountingKind.AT_MOST,
    ),
    Operator.LIKE: OperatorDeclaration(
        takes=Takes.PATTERN,
        meaning="a value that matches",
        example=(("us-.*",), "us-east", "eu-west"),
        narrows=Narrows.BY_TEST,
        elsewhere=("REGEX", "REGEXP", "MATCHES", "=~", "~", "~="),
    ),
    Operator.UNLIKE: OperatorDeclaration(
        takes=Takes.PATTERN,
        meaning="a value that does not match",
        example=(("us-.*",), "eu-west", "us-east"),
        narrows=Narrows.BY_TEST,
        accepts_missing=True,
        elsewhere=("!~", "NOT_LIKE", "NOTLIKE"),
    ),
    Operator.IS: OperatorDeclaration(
        takes=Takes.TEXT,
        meaning="this value",
        example=(("2.0",), "2", "3"),
        narrows=Narrows.TO_VALUES,
        for_several=Operator.IN,
        is_implied=True,
    ),
    Operator.EQUAL: OperatorDeclaration(
        takes=Takes.TEXT,
        meaning="this value",
        example=(("ssd",), "ssd", "hdd"),
        narrows=Narrows.TO_VALUES,
        also=("=",),
        elsewhere=("EQUALS", "EQUAL", "EQ", "==="),
        for_several=Operator.IN,
        is_implied=True,
    ),
    Operator.NOT_EQUAL: OperatorDeclaration(
        takes=Takes.TEXT,
        meaning="another value",
        example=(("ssd",), "hdd", "ssd"),
        narrows=Narrows.BY_VALUES,
        accepts_missing=True,
        elsewhere=("IS_NOT", "ISNOT", "NOTEQUALS", "NOT_EQUALS", "NOT_EQUAL", "NE", "<>"),
        for_several=Operator.NOT_IN,
    ),
    Operator.LESS: OperatorDeclaration(
        takes=Takes.NUMBER, meaning="a smaller number", example=(("10",), "9", "10"), narrows=Narrows.BELOW
    ),
    Operator.AT_MOST: OperatorDeclaration(
        takes=Takes.NUMBER, meaning="this number or a smaller one", example=(("9",), "9.0", "10"), narrows=Narrows.BELOW
    ),
    Operator.MORE: OperatorDeclaration(
        takes=Takes.NUMBER, meaning="a larger number", example=(("9",), "10", "9"), narrows=Narrows.ABOVE
    ),
    Operator.AT_LEAST: OperatorDeclaration(
        takes=Takes.NUMBER, meaning="this number or a larger one", example=(("9",), "9", "8"), narrows=Narrows.ABOVE
    ),
    Operator.IN: OperatorDeclaration(
        takes=Takes.TEXTS, meaning="one of these values", example=(("a", "b"), "b", "c"), narrows=Narrows.TO_VALUES
    ),
    Operator.NOT_IN: OperatorDeclaration(
        takes=Takes.TEXTS,
        meaning="none of these values",
        example=(("a", "b"), "c", "b"),
        narrows=Narrows.BY_VALUES,
        accepts_missing=True,
        also=("NOT_IN",),
    ),
    Operator.CONTAINS: OperatorDeclaration(
        takes=Takes.TEXT,
        meaning="a set, ranges, or a text with commas that has this item",
        example=(("ssd",), "{hdd,ssd}", "{hdd}"),
        elsewhere=("SET_CONTAINS", "HAS"),
    ),
    Operator.IS_SET: OperatorDeclaration(
        takes=Takes.NOTHING, meaning="any value", example=((), "r1", None), elsewhere=("EXISTS",)
    ),
    Operator.IS_NOT_SET: OperatorDeclaration(
        takes=Takes.NOTHING, meaning="no value", narrows=Narrows.TO_NONE, accepts_missing=True
    ),
    Operator.VERSION: OperatorDeclaration(
        takes=Takes.CONDITIONS,
        meaning="a version that meets the conditions",
        example=((">= 5.4", "< 6"), "5.15.0-91-generic", "6.1"),
        narrows=Narrows.BY_TEST,
        elsewhere=("SEMVER", "~>"),
    ),
    Operator.ANY: OperatorDeclaration(takes=Takes.RULES, meaning="one of the rules holds"),
    Operator.ALL: OperatorDeclaration(takes=Takes.RULES, meaning="all of the rules hold"),
    Operator.NOT: OperatorDeclaration(takes=Takes.RULES, meaning="the one rule does not hold"),
}
COMBINING = frozenset(operator for operator, declared in DECLARED.items() if declared.is_combining)
