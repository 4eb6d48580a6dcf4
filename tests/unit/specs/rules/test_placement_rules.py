"""Placement rules are checked however they arrive, here through the API; and contradictions are found."""

from __future__ import annotations

from typing import Any

import pytest

from specs.file.load import load_stack, stack_from_json, stack_to_json
from specs.model.constraints import Constraint
from specs.model.errors import StackError
from specs.rules.contradictions import contradictions


def group(**more: Any) -> dict[str, Any]:
    id_ = {"stack": "s", "service": "web"}
    return {"id": id_, "instances": 1, "container": {"image": "a"}, **more}


def told(*groups: dict[str, Any]) -> list[str]:
    with pytest.raises(StackError) as caught:
        stack_from_json({"groups": list(groups)}, name="s")
    return [f"{fault.path.removeprefix('groups[0].')}: {fault.message}" for fault in caught.value.faults]


def leaf(operator: str, *values: str, field: str = "a", **more: Any) -> dict[str, Any]:
    return {"operator": operator, "field": field, "values": list(values), **more}


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (leaf("UNIQUE", "x"), ": UNIQUE takes no value; got 'x'"),
        (leaf("IS"), ": IS takes one value; got none"),
        (leaf("IS", "a", "b"), ": IS takes one value; got 2: a, b. Write a IN for several"),
        (leaf("!=", "a", "b"), ": != takes one value; got 2: a, b. Write a NOT IN for several"),
        (leaf("CLUSTER", "a", "b"), ": CLUSTER takes one value or none; got 2: a, b"),
        (leaf("IN"), ": IN takes one value or more; got none"),
        (leaf("MAX_PER", "0"), ": MAX_PER takes a whole number from 1 to 100,000; got '0'"),
        (leaf("MAX_PER", "\u0663"), ": MAX_PER takes a whole number from 1 to 100,000; got '\u0663'"),
        (leaf("GROUP_BY", "100001"), ": GROUP_BY takes a whole number from 1 to 100,000, or nothing; got '100001'"),
        (leaf("<", "1e5"), ": < compares numbers; got '1e5'. Versions are compared by a VERSION < 1e5"),
        (leaf("<", "9" * 400 + "x"), ": < compares numbers"),
        (leaf("LIKE", "x" * 1001), ": a value has 1,001 characters; wanted at most 1,000"),
        (leaf("VERSION", ">= 1", "new"), ': VERSION: wanted one of ==, !=, <, <=, >, >= and a version, as ">= 5.4"'),
        (leaf("IS", "x", field=""), ": wanted a field of 1 to 100 characters; got none"),
        (leaf("IS", "x", field="a\n"), ": wanted a field of 1 to 100 characters; got 'a\\n'"),
        (leaf("IS", "x", field="@host"), ": unknown field '@host'"),
        (leaf("IS", "x", parts=[leaf("IS", "x")]), ": IS has a field and values, and no parts"),
        (leaf("IS", "x", mode="quota"), ": wanted the mode quota with GROUP_BY alone; got it with IS"),
        (leaf("IS", "x", counts="version"), ": IS counts no tasks"),
        (leaf("any", parts=[leaf("IS", "x")]), ": any has parts alone, no field and no values"),
        ({"operator": "any"}, ": wanted one rule or more in any; got 0"),
        ({"operator": "not", "parts": [leaf("IS", "x")] * 2}, ": wanted exactly one rule in not; got 2"),
        ({"operator": "all", "parts": [leaf("IS", "x"), leaf("IS")]}, ".parts[1]: IS takes one value; got none"),
        ({"operator": "SPREAD", "field": "a"}, ".operator: wanted one of UNIQUE, CLUSTER, "),
    ],
)
def test_one_constraint(rule: dict[str, Any], message: str) -> None:
    assert told(group(rules={"constraints": [rule]}))[0].startswith(f"rules.constraints[0]{message}")


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (
            {"spread": [{"over": "zone", "within": ["zone"]}]},
            "rules.spread[0]: zone stands in two levels of one spread",
        ),
        ({"spread": [{"over": "b", "within": ["zone", "zone"]}]}, "rules.spread[0]: b stands in two levels"),
        ({"spread": [{"over": "zone", "max_skew": 0}]}, "rules.spread[0]: wanted max_skew from 1 to 100,000; got 0"),
        ({"spread": [{"over": "zone", "min_domains": -1}]}, "rules.spread[0]: wanted min_domains from 0 to 100,000"),
        ({"spread": [{"over": "zone", "weight": 101}]}, "rules.spread[0]: wanted a weight from 1 to 100, or none"),
        ({"spread": [{"over": "a", "targets": [["b", 1], ["a", 1]]}]}, "rules.spread[0]: wanted targets in the order"),
        ({"spread": [{"over": "a", "targets": [["b", 0]]}]}, "rules.spread[0]: wanted targets from 1% to 100%"),
        (
            {"spread": [{"over": "a", "targets": [["b", 100]], "max_skew": 2}]},
            "rules.spread[0]: max_skew means nothing here: targets say how many each domain has; leave it out",
        ),
        ({"near": [{"to": {"service": "*web", "stack": "?"}}]}, "rules.near[0]: the stack '?' has '?' at position 1"),
        ({"near": [{"to": {"labels": ["b", "a"]}}]}, "rules.near[0]: wanted labels in order, each once"),
        ({"near": [{"to": {"service": "x"}}]}, "rules.near[0]: x means no group of this stack; there are web."),
        ({"apart": [{"to": {"labels": ["x"]}}]}, "rules.apart[0]: *[x] means no group of this stack"),
        (
            {"prefer": [{"rule": leaf("IS", "x"), "weight": 0}]},
            "rules.prefer[0]: wanted a weight from -100 to 100, not 0",
        ),
        ({"prefer": [{"rule": leaf("IS")}]}, "rules.prefer[0].rule: IS takes one value; got none"),
        ({"prefer": [{"rule": leaf("CLUSTER")}]}, "rules.prefer[0]: a CLUSTER counts tasks and cannot be preferred"),
        ({"sticky_wait_seconds": 5}, "rules.sticky: wanted no time to wait where sticky is false"),
        ({"sticky": True, "sticky_wait_seconds": -2}, "rules.sticky: wanted a wait of at most 604,800 seconds; got -2"),
        ({"strategy": "best"}, "rules.strategy: wanted one of spread, pack; got 'best'"),
    ],
)
def test_other_rules(rules: dict[str, Any], message: str) -> None:
    assert told(group(rules=rules))[0].startswith(message)


def test_rules_within_rules_for_ever() -> None:
    rule = leaf("IS", "x")
    for _ in range(400):
        rule = {"operator": "not", "parts": [rule]}
    (fault,) = told(group(rules={"constraints": [rule]}))
    assert fault.endswith("any, all and not stand in one another more than 8 deep")


def test_a_global_group() -> None:
    rules = {"constraints": [leaf("UNIQUE")], "spread": [{"over": "zone"}], "sticky": True, "strategy": "pack"}
    assert [fault.partition(":")[0] for fault in told(group(mode="global", rules=rules) | {"instances": 2})] == [
        "instances",
        "rules.constraints[0]",
        "rules.spread[0]",
        "rules.sticky",
        "rules.strategy",
    ]
    stack = stack_from_json({"groups": [group(mode="global", rules={"constraints": [leaf("IS", "x")]})]}, name="s")
    assert stack_from_json(stack_to_json(stack), name="s") == stack


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        ({"scalars": [["b", 1], ["a", 1]]}, "resources.scalars: wanted resources in the order of their names"),
        ({"scalars": [["a", 0]]}, "resources.scalars['a']: wanted a from 0.001 to 1,000,000,000; got 0"),
        (
            {"scalars": [["cpus", 1]]},
            "resources.scalars['cpus']: cpus is no custom resource: write resources: {cpus: 0.5}",
        ),
        ({"sets": [["a", ["y", "x"]]]}, "resources.sets['a']: a: wanted items in order, each once, at least one"),
        ({"scalars": [["a", 1]], "sets": [["a", ["x"]]]}, "resources.sets['a']: a is wanted as an amount and as a set"),
        (
            {"sets": [[f"a{n:02}", ["x"]] for n in range(17)]},
            "resources.sets: wanted at most 16 custom resources; got 17",
        ),
    ],
)
def test_custom_resources(resources: dict[str, Any], message: str) -> None:
    amounts = {"cpus_milli": 100, "mem_mib": 128, **resources}
    assert told(group(resources=amounts))[0].startswith(message)


def constraints(*texts: str) -> tuple[Constraint, ...]:
    """Rules as they are written, without a look at whether they can hold together."""
    by_service = "".join(f"  s{number}: {{image: a, constraints: {text}}}\n" for number, text in enumerate(texts))
    stack = load_stack(f"services:\n{by_service}", name="s", variables={})
    return tuple(each.rules.constraints[0] for each in stack.groups)


@pytest.mark.parametrize(
    ("one", "other", "instances", "is_contradiction"),
    [
        ("a IS x", "a == y", 1, True),
        ("a IS x", "a == x", 1, False),
        ("a IS x", "b == y", 1, False),
        ("a IS 2", "a == 2.0", 1, False),
        ("a IS 2", "a == 2.0004", 1, False),
        ("a CLUSTER x", "a IS y", 1, True),
        ("a CLUSTER", "a IS y", 5, False),
        ("'a IN x, y'", "a IS y", 1, False),
        ("'a IN x, y'", "'a IN z, v'", 1, True),
        ("'a IN x, y'", "'a NOT IN y, x'", 1, True),
        ("'a IN x, y'", "a != x", 1, False),
        ("a IS x", "a != x", 1, True),
        ("a IS_SET", "a IS_NOT_SET", 1, True),
        ("a IS_NOT_SET", "a LIKE x", 1, True),
        ("a IS_NOT_SET", "a UNIQUE", 1, True),
        ("a IS_NOT_SET", "a != x", 1, False),
        ("a < 3", "a > 5", 1, True),
        ("a < 3", "a >= 3", 1, True),
        ("a <= 3", "a >= 3", 1, False),
        ("a > 3", "a > 5", 1, False),
        ("a IS 4", "a > 5", 1, True),
        ("a IS x", "a > 5", 1, True),
        ("a IS 6", "a > 5", 1, False),
        ("a IS xy", "a LIKE x.", 1, False),
        ("a IS xy", "a LIKE x", 1, True),
        ("a IS xy", "a UNLIKE x.", 1, True),
        ("a IS 2.0", "a LIKE 2", 1, False),
        ("a IS v5.1", "a VERSION >= 5.4", 1, True),
        ("'a IN v5.1, v5.5'", "a VERSION >= 5.4", 1, False),
        ("a UNIQUE", "a CLUSTER x", 2, True),
        ("a UNIQUE", "a CLUSTER x", 1, False),
        ("a UNIQUE", "a CLUSTER", 2, True),
        ("a MAX_PER 2", "'a IN x, y'", 5, True),
        ("a MAX_PER 2", "'a IN x, y'", 4, False),
        ("{all: [a IS x]}", "{all: [{all: [a IS y]}]}", 1, True),
        ("{any: [a IS x]}", "a IS y", 1, False),
        ("{not: a IS x}", "a IS x", 1, False),
    ],
)
def test_contradictions(one: str, other: str, instances: int, is_contradiction: bool) -> None:
    for first, second in ((one, other), (other, one)):
        found = contradictions(constraints(first, second), instances)
        assert bool(found) is is_contradiction, (first, second)
        assert all((each.first[0], each.second[0]) == (0, 1) for each in found)


def near(service: str, *others: str, weight: int = 0) -> dict[str, Any]:
    neighbours = [{"to": {"service": other}, "weight": weight} for other in others]
    return {**group(rules={"near": neighbours}), "id": {"stack": "s", "service": service}}


def test_somebody_must_be_first() -> None:
    (fault,) = told(near("a", "b"), near("b", "c"), near("c", "a"), near("d", "a"))
    assert fault.startswith("rules.near[0]: a circle: s/a -> s/b -> s/c -> s/a; none of them could be first.")
    for groups in (
        [near("a", "a")],
        [near("a", "b"), near("b", "*")],
        [near("a", "b"), near("b", "a", weight=5)],
        [near("a", "b"), near("b", "c"), near("c")],
    ):
        assert stack_from_json({"groups": groups}, name="s").groups


def test_a_selector_of_other_stacks_is_not_judged() -> None:
    elsewhere = [{"to": {"stack": "other", "service": "x"}}, {"to": {"stack": "*", "service": "y"}}]
    assert stack_from_json({"groups": [group(rules={"near": elsewhere})]}, name="s").groups
