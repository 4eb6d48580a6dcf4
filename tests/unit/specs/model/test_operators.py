"""Every operator has all of its parts: this fails for one that is declared in part only."""

from __future__ import annotations

import pytest

from placement.checks import rule_wanted
from placement.counting import AtMost, Counting, CountingRule, GroupBy, Tally, Together
from placement.relax import relaxations
from specs import generate
from specs.file.load import load_stack
from specs.file.schema import schema_text
from specs.model.constraints import Constraint, Rules
from specs.model.operators import COMBINING, DECLARED, CountingKind, Narrows, Operator
from specs.model.predicates import holds
from specs.rules.contradictions import contradictions
from tests.kit.cluster_of import agent, request, snapshot

OPERATORS = [operator for operator in Operator if operator not in COMBINING]
SPOKEN = [operator for operator in OPERATORS if DECLARED[operator].example]
STATES: dict[CountingKind, type[CountingRule]] = {
    CountingKind.AT_MOST: AtMost,
    CountingKind.TOGETHER: Together,
    CountingKind.EVENLY: GroupBy,
}


def example(operator: Operator) -> tuple[Constraint, str, str | None]:
    """The declared rule, with a value that it accepts and one that it refuses."""
    found = DECLARED[operator].example or ((), "", None)
    return Constraint(operator=operator, field="rack", values=found[0]), found[1], found[2]


def test_every_operator_is_declared() -> None:
    assert list(DECLARED) == list(Operator)


def test_words_are_unambiguous() -> None:
    words = [word for operator, each in DECLARED.items() for word in (operator.value, *each.also, *each.elsewhere)]
    assert len(words) == len(set(words))


@pytest.mark.parametrize("operator", OPERATORS)
def test_only_one_that_accepts_no_value_at_all_has_no_example(operator: Operator) -> None:
    assert DECLARED[operator].example or DECLARED[operator].narrows is Narrows.TO_NONE


@pytest.mark.parametrize("operator", SPOKEN)
def test_its_example_holds(operator: Operator) -> None:
    rule, accepted, refused = example(operator)
    assert holds(rule, accepted)
    assert refused is None or not holds(rule, refused)
    assert holds(rule, None) is DECLARED[operator].accepts_missing


@pytest.mark.parametrize("operator", SPOKEN)
def test_one_that_refuses_no_value_counts_or_says_so(operator: Operator) -> None:
    assert example(operator)[2] or DECLARED[operator].counting or not example(operator)[0].values


@pytest.mark.parametrize("operator", OPERATORS)
def test_it_is_read_as_it_is_written(operator: Operator) -> None:
    rule = example(operator)[0]
    for word in (operator.value, operator.value.lower(), *DECLARED[operator].also):
        text = str(rule).replace(f" {operator.value}", f" {word}")
        stack = load_stack(f"services: {{web: {{image: a, constraints: ['{text}']}}}}", name="s", variables={})
        assert stack.groups[0].rules.constraints == (rule,)


@pytest.mark.parametrize("operator", OPERATORS)
def test_it_stands_in_the_schema_and_on_the_page(operator: Operator) -> None:
    assert f"{operator.value}," in schema_text()
    assert f"| `{operator.value}` | " in generate.PAGES[0].read_text(encoding="utf-8")


@pytest.mark.parametrize("operator", SPOKEN)
def test_it_is_placed_explained_and_cured(operator: Operator) -> None:
    rule, accepted, _ = example(operator)
    picture = snapshot([agent("a0", rack=accepted)])
    wanted = request(1, rules=Rules(constraints=(rule,)))
    assert rule_wanted(rule)
    assert "rack unconstrained" in [one.text for row in relaxations(wanted, picture) for one in row]
    state = Counting(
        cluster=picture.cluster,
        everything=Tally.of({}, {}),
        same_version=Tally.of({}, {}),
        where=picture.cluster.everybody,
        instances=1,
    ).rule(rule)
    assert state.allowed == picture.cluster.everybody
    if rule.counting is not None:
        assert isinstance(state, STATES[rule.counting])


@pytest.mark.parametrize("operator", SPOKEN)
def test_it_contradicts_an_agent_without_the_field_unless_it_accepts_that(operator: Operator) -> None:
    rule = example(operator)[0]
    unset = Constraint(operator=Operator.IS_NOT_SET, field="rack")
    assert bool(contradictions((rule, unset), 1)) is not DECLARED[operator].accepts_missing


def test_a_rule_that_combines_is_no_test_of_a_value() -> None:
    with pytest.raises(ValueError, match="about one value"):
        holds(Constraint(operator=Operator.NOT), "r1")
