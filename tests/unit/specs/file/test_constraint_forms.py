"""Constraints and preferences of a group, in every form."""

from __future__ import annotations

from pathlib import Path

import pytest

from specs import generate
from specs.file.load import Override, load_files, load_stack
from specs.model.constraints import (
    STICKY_ALWAYS,
    Constraint,
    Counted,
    GroupByMode,
    Mode,
    Neighbour,
    Preference,
    Rules,
    Selector,
    Spread,
    Strategy,
)
from specs.model.errors import StackError
from specs.model.operators import Operator
from specs.model.stack import Group


def groups(body: str, **more: object) -> list[Group]:
    text = f"services:\n  web: {{image: a, {body}}}\n  redis: {{image: b, groups: [{{labels: [main]}}]}}\n"
    stack = load_stack(text, name="s", file="s.yml", variables={"N": "3"}, **more)  # type: ignore[arg-type]
    return [group for group in stack.groups if group.id.service == "web"]


def rules(body: str) -> Rules:
    (group,) = groups(body)
    return group.rules


def constraint(text: str) -> Constraint:
    (rule,) = rules(f"constraints: {text}").constraints
    return rule


def told(body: str) -> list[str]:
    with pytest.raises(StackError) as caught:
        groups(body)
    return [f"{fault.path.removeprefix('services.web.')}: {fault.message}" for fault in caught.value.faults]


def simple(field: str, operator: Operator, *values: str) -> Constraint:
    return Constraint(operator=operator, field=field, values=values)


A_IS_1 = simple("a", Operator.EQUAL, "1")
B_IS_2 = simple("b", Operator.EQUAL, "2")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("hostname UNIQUE", simple("hostname", Operator.UNIQUE)),
        ("'@hostname unique'", simple("hostname", Operator.UNIQUE)),
        ("[[hostname, UNIQUE]]", simple("hostname", Operator.UNIQUE)),
        ("[hostname, UNIQUE]", simple("hostname", Operator.UNIQUE)),
        ("[hostname, UNIQUE, '']", simple("hostname", Operator.UNIQUE)),
        ("rack GROUP_BY", simple("rack", Operator.GROUP_BY)),
        ("rack GROUP_BY 3", simple("rack", Operator.GROUP_BY, "3")),
        ("'rack GROUP_BY ${N}'", simple("rack", Operator.GROUP_BY, "3")),
        ("[rack, GROUP_BY, 3]", simple("rack", Operator.GROUP_BY, "3")),
        ("[[rack, GROUP_BY, '3']]", simple("rack", Operator.GROUP_BY, "3")),
        ("rack CLUSTER", simple("rack", Operator.CLUSTER)),
        ("rack CLUSTER r 1", simple("rack", Operator.CLUSTER, "r 1")),
        ("rack MAX_PER 2", simple("rack", Operator.MAX_PER, "2")),
        ("zone LIKE us-.*", simple("zone", Operator.LIKE, "us-.*")),
        ("zone LIKE (us|eu) .*", simple("zone", Operator.LIKE, "(us|eu) .*")),
        ("[zone, LIKE, 'us-(a|b)']", simple("zone", Operator.LIKE, "us-(a|b)")),
        ("'zone LIKE us$$'", simple("zone", Operator.LIKE, "us$")),
        ("zone UNLIKE us-.*", simple("zone", Operator.UNLIKE, "us-.*")),
        ("rack is r1", simple("rack", Operator.IS, "r1")),
        ("rack = r1", simple("rack", Operator.EQUAL, "r1")),
        ("rack==r1", simple("rack", Operator.EQUAL, "r1")),
        ("rack != r 1", simple("rack", Operator.NOT_EQUAL, "r 1")),
        ("cores < 8", simple("cores", Operator.LESS, "8")),
        ("cores<=8", simple("cores", Operator.AT_MOST, "8")),
        ("cores > 8.5", simple("cores", Operator.MORE, "8.5")),
        ("[cores, '>=', 8]", simple("cores", Operator.AT_LEAST, "8")),
        ("'rack IN a, b ,c'", simple("rack", Operator.IN, "a", "b", "c")),
        ("[rack, IN, a, b]", simple("rack", Operator.IN, "a", "b")),
        ("[rack, IN, [a, 'b, c']]", simple("rack", Operator.IN, "a", "b, c")),
        ("'rack NOT IN a,b'", simple("rack", Operator.NOT_IN, "a", "b")),
        ("rack not in a", simple("rack", Operator.NOT_IN, "a")),
        ("[rack, NOT IN, a, b]", simple("rack", Operator.NOT_IN, "a", "b")),
        ("features CONTAINS avx", simple("features", Operator.CONTAINS, "avx")),
        ("rack IS_SET", simple("rack", Operator.IS_SET)),
        ("rack IS_NOT_SET", simple("rack", Operator.IS_NOT_SET)),
        ("'kernel VERSION >= 5.4, < 6'", simple("kernel", Operator.VERSION, ">= 5.4", "< 6")),
        ("[kernel, VERSION, '>= 5.4', '< 6']", simple("kernel", Operator.VERSION, ">= 5.4", "< 6")),
        ("node.labels.rack == a", simple("rack", Operator.EQUAL, "a")),
        ("engine.labels.x != y", simple("x", Operator.NOT_EQUAL, "y")),
        ("node.hostname == h", simple("hostname", Operator.EQUAL, "h")),
        ("node.id==i", simple("@id", Operator.EQUAL, "i")),
        ("{field: odd name, operator: is, value: x}", simple("odd name", Operator.IS, "x")),
        ("{field: node.role, operator: IS, value: x}", simple("node.role", Operator.IS, "x")),
        ("{field: rack, operator: in, values: [a, b]}", simple("rack", Operator.IN, "a", "b")),
        ("{field: rack, operator: IS, value: ''}", simple("rack", Operator.IS, "")),
    ],
)
def test_forms_of_a_rule(text: str, rule: Constraint) -> None:
    assert constraint(text) == rule


@pytest.mark.parametrize(
    ("text", "mode", "counts", "values"),
    [
        ("rack GROUP_BY 3 quota", GroupByMode.QUOTA, Counted.ALL, ("3",)),
        ("rack GROUP_BY quota", GroupByMode.QUOTA, Counted.ALL, ()),
        ("rack GROUP_BY 3 minimum", GroupByMode.MINIMUM, Counted.ALL, ("3",)),
        ("[rack, GROUP_BY, 3, quota]", GroupByMode.QUOTA, Counted.ALL, ("3",)),
        ("rack GROUP_BY 3 quota of its version", GroupByMode.QUOTA, Counted.VERSION, ("3",)),
        ("rack MAX_PER 2 of its version", GroupByMode.MINIMUM, Counted.VERSION, ("2",)),
        ("rack CLUSTER of its version", GroupByMode.MINIMUM, Counted.VERSION, ()),
        ("{field: a, operator: GROUP_BY, mode: quota, counts: version}", GroupByMode.QUOTA, Counted.VERSION, ()),
    ],
)
def test_how_a_rule_counts(text: str, mode: GroupByMode, counts: Counted, values: tuple[str, ...]) -> None:
    rule = constraint(text)
    assert (rule.mode, rule.counts, rule.values) == (mode, counts, values)


@pytest.mark.parametrize(
    ("text", "operator", "parts"),
    [
        ("{any: [a == 1, [b, '==', 2]]}", Operator.ANY, (A_IS_1, B_IS_2)),
        ("[{all: [a == 1, b == 2]}]", Operator.ALL, (A_IS_1, B_IS_2)),
        ("{not: a == 1}", Operator.NOT, (A_IS_1,)),
        ("{not: [a, '==', 1]}", Operator.NOT, (A_IS_1,)),
        ("{not: {any: [a == 1]}}", Operator.NOT, (Constraint(operator=Operator.ANY, parts=(A_IS_1,)),)),
    ],
)
def test_combined_rules(text: str, operator: Operator, parts: tuple[Constraint, ...]) -> None:
    assert constraint(text) == Constraint(operator=operator, parts=parts)


def test_a_spread_among_constraints() -> None:
    found = rules("spread: zone, constraints: [rack SPREAD 2, [row, SPREAD], a == 1]")
    assert found.constraints == (A_IS_1,)
    assert found.spread == (Spread(over="zone"), Spread(over="rack", max_skew=2), Spread(over="row"))


@pytest.mark.parametrize(
    ("text", "spread"),
    [
        ("rack", (Spread(over="rack"),)),
        ("[zone, hostname]", (Spread(over="zone"), Spread(over="hostname", within=("zone",)))),
        ("{over: rack, max_skew: 2, min_domains: 3}", (Spread(over="rack", max_skew=2, min_domains=3),)),
        ("{over: rack, weight: 20}", (Spread(over="rack", weight=20),)),
        (
            "[{over: '@zone', targets: {b: 30, a: 70%}}, node.labels.rack]",
            (Spread(over="@zone", targets=(("a", 70), ("b", 30))), Spread(over="rack", within=("@zone",))),
        ),
    ],
)
def test_spreads(text: str, spread: tuple[Spread, ...]) -> None:
    assert rules(f"spread: {text}").spread == spread


@pytest.mark.parametrize(
    ("text", "neighbour"),
    [
        ("redis", Neighbour(to=Selector(service="redis"))),
        ("'redis[main]'", Neighbour(to=Selector(service="redis", labels=("main",)))),
        ("'other/re*[b, a]'", Neighbour(to=Selector(stack="other", service="re*", labels=("a", "b")))),
        ("'*/batch'", Neighbour(to=Selector(stack="*", service="batch"))),
        ("{labels: main}", Neighbour(to=Selector(labels=("main",)))),
        (
            "{service: redis, stack: other, labels: [b, a], field: '@hostname', weight: 5}",
            Neighbour(to=Selector(stack="other", service="redis", labels=("a", "b")), weight=5),
        ),
        ("{service: redis, field: rack}", Neighbour(to=Selector(service="redis"), field="rack")),
    ],
)
@pytest.mark.parametrize("key", ["near", "apart"])
def test_neighbours(key: str, text: str, neighbour: Neighbour) -> None:
    assert getattr(rules(f"{key}: {text}"), key) == (neighbour,)
    assert getattr(rules(f"{key}: [{text}]"), key) == (neighbour,)


@pytest.mark.parametrize(
    ("text", "prefer"),
    [
        ("a == 1", (Preference(rule=A_IS_1),)),
        ("[a, ==, 1]", (Preference(rule=A_IS_1),)),
        ("[a == 1, {rule: b == 2, weight: -7}]", (Preference(rule=A_IS_1), Preference(rule=B_IS_2, weight=-7))),
        ("{rule: {any: [a == 1]}}", (Preference(rule=Constraint(operator=Operator.ANY, parts=(A_IS_1,))),)),
    ],
)
def test_preferences(text: str, prefer: tuple[Preference, ...]) -> None:
    assert rules(f"prefer: {text}").prefer == prefer


@pytest.mark.parametrize(
    ("text", "is_sticky", "wait_seconds"),
    [("true", True, 0.0), ("false", False, 0.0), ("always", True, STICKY_ALWAYS), ("1m30s", True, 90.0)],
)
def test_sticky(text: str, is_sticky: bool, wait_seconds: float) -> None:
    found = rules(f"sticky: {text}")
    assert (found.sticky, found.sticky_wait_seconds) == (is_sticky, wait_seconds)


def test_strategy_and_mode() -> None:
    assert rules("strategy: pack").strategy is Strategy.PACK
    (group,) = groups("mode: global")
    assert (group.mode, group.instances) == (Mode.GLOBAL, 1)
    (group,) = groups("deploy: {mode: global}, mode: global")
    assert group.mode is Mode.GLOBAL
    assert (
        "deploy.mode: says something else ('global') than services.web.mode"
        in told("mode: replicated, deploy: {mode: global}")[0]
    )


def test_what_compose_says_joins() -> None:
    found = rules(
        "constraints: [a == 1, hostname MAX_PER 2], spread: row, deploy: {placement: {constraints: [node.labels.a==1, "
        "b==2], preferences: [{spread: node.labels.zone}, {spread: engine.labels.rack}], max_replicas_per_node: 2}}"
    )
    assert found.constraints == (A_IS_1, simple("hostname", Operator.MAX_PER, "2"), B_IS_2)
    assert found.spread == (
        Spread(over="row"),
        Spread(over="zone", weight=50),
        Spread(over="rack", within=("zone",), weight=50),
    )
    assert rules("deploy: {placement: {max_replicas_per_node: 0}}") == Rules()


def test_what_compose_says_is_found_where_it_stands() -> None:
    body = "constraints: [rack SPREAD 1, a == 1], deploy: {placement: {constraints: [b == 1, {not: c LIKE (}, a == 2]}}"
    assert told(body) == [
        "deploy.placement.constraints[1].not: LIKE ( is not a regular expression of RE2: missing ): (",
    ]
    (fault,) = told(body.replace("(", "x"))
    assert fault.startswith("deploy.placement.constraints[2]: a == 2 cannot hold together with a == 1")
    assert fault.endswith("services.web.constraints[1]")


def test_a_spread_among_constraints_is_found_where_it_stands() -> None:
    body = "constraints: [rack SPREAD 0, a == 1, b MAX_PER 0, zone SPREAD], deploy: {placement: {constraints: [c IS]}}"
    assert told(body + ", spread: zone") == [
        "constraints[0]: wanted max_skew from 1 to 100,000; got 0",
        "constraints[2]: MAX_PER takes a whole number from 1 to 100,000; got '0'",
        "constraints[3]: a spread over zone stands here a second time; the first is at s.yml:2:135, "
        "services.web.spread",
        "deploy.placement.constraints[0]: IS takes one value; got none",
    ]


def test_groups_and_overrides_replace_rules() -> None:
    body = "constraints: {any: [a == 1]}, near: {service: redis, weight: 5}, groups: [{labels: [x]}, {labels: [y], "
    body += "constraints: {not: a == 1}, near: {service: redis}}]"
    first, second = groups(body)
    assert str(first.rules.constraints[0]) == "any (a == 1)"
    assert str(second.rules.constraints[0]) == "not (a == 1)"
    assert second.rules.near[0].weight == 0
    over = Override("services: {web: {constraints: [b == 2]}}", "o.yml")
    (group,) = groups("constraints: {any: [a == 1]}", overrides=[over])
    assert group.rules.constraints == (B_IS_2,)


def test_a_service_may_be_called_like_a_rule() -> None:
    over = Override("services: {near: {instances: 2}}", "o.yml")
    stack = load_stack("services: {near: {image: a}}", name="s", variables={}, overrides=[over])
    assert (stack.groups[0].container.image, stack.groups[0].instances) == ("a", 2)


def test_custom_resources() -> None:
    (group,) = groups("resources: {custom: {bandwidth: 0.5, fpga: [b, a], none: 0, empty: []}}")
    assert group.resources.scalars == (("bandwidth", 500),)
    assert group.resources.sets == (("fpga", ("a", "b")),)
    spec = "generic_resources: [{discrete_resource_spec: {kind: ssd, value: 2}}]"
    (group,) = groups(f"deploy: {{resources: {{reservations: {{{spec}}}}}}}")
    assert group.resources.scalars == (("ssd", 2000),)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("resources: {custom: {mem: 5}}", "mem is no custom resource: write resources: {memory: 256M}"),
        ("resources: {custom: {Ports: [a]}}", "Ports is no custom resource: write ports: {http: 80}"),
        ("resources: {custom: {a b: 5}}", "wanted a resource's name of letters, digits, '_', '-' and '.', at most 100"),
        ("resources: {custom: {a: -1}}", "wanted a from 0.001 to 1,000,000,000; got -1"),
        ("resources: {custom: {a: ['x,y']}}", "a: wanted items of 1 to 100 characters without spaces, commas, braces"),
        ("constraints: rack SPREAD 1.5", "wanted SPREAD with the greatest skew, a whole number as 1, or nothing"),
        ("constraints: zone IS a of its version", "IS counts no tasks: 'of its version' means nothing there"),
        ("constraints: {field: rack, operator: IS, value: a, counts: version}", "IS counts no tasks"),
        (
            "constraints: {field: rack, operator: IS, value: a, mode: quota}",
            "wanted the mode quota with GROUP_BY alone",
        ),
        ("constraints: {field: rack, operator: SPREAD, mode: quota}", "SPREAD has no mode; leave it out"),
        ("constraints: {field: rack}", "wanted the key operator in a rule, or any, all or not; got field"),
        ("spread: {max_skew: 1}", "wanted the key over: the field to spread over; got max_skew"),
        ("spread: true", "wanted a field; got true"),
        ("prefer: zone SPREAD 1", "SPREAD stands for itself, under constraints or spread; got it under prefer"),
        ("deploy: {placement: {preferences: zone}}", "wanted a list of preferences, each {spread: FIELD}; got 'zone'"),
        ("deploy: {placement: {preferences: [{pack: a}]}}", "wanted spread alone in a preference; got pack"),
        ("near: {}", "wanted service, stack or labels; got an empty mapping"),
        ("near: 're dis'", "wanted a service as"),
        ("near: Redis", "the service 'Redis' is none: wanted a name, in which * and ? may stand for anything"),
        ("near: 'redis[other]'", "redis[other] means no group of this stack; redis has [main]"),
        (
            "near: s/rediss",
            "s/rediss means no group of this stack; did you mean redis?",
        ),
        ("mode: global, scale: 2", "a global service has one task on every agent that fits"),
    ],
)
def test_what_is_refused(body: str, message: str) -> None:
    assert message in told(body)[0]


def test_too_many_rules() -> None:
    many = ", ".join(f"a{n} == 1" for n in range(50))
    assert len(rules(f"constraints: [{many}]").constraints) == 50
    assert told(f"constraints: [{many}, a == 1]") == [
        "constraints: wanted at most 50 constraints, those within any, all and not counted; got 51"
    ]
    assert "got 51" in told(f"constraints: {{any: [{many}]}}")[0]
    assert "at most 16 preferences; got 17" in told(f"prefer: [{', '.join(f'a == {n}' for n in range(17))}]")[0]
    assert "at most 8 spreads; got 9" in told(f"spread: [{', '.join(f'a{n}' for n in range(9))}]")[0]
    assert (
        "at most 16 of near and apart together; got 17"
        in told(f"apart: [{', '.join(f'o/a{n}' for n in range(17))}]")[0]
    )
    deep = "a == 1"
    for _ in range(9):
        deep = f"{{not: {deep}}}"
    assert "any, all and not stand in one another more than 8 deep" in told(f"constraints: {deep}")[0]
    in_list = ", ".join(f"r{n}" for n in range(201))
    assert "wanted at most 200 values; got 201" in told(f"constraints: 'rack IN {in_list}'")[0]


def test_the_example_has_every_operator() -> None:
    text = (generate.HERE / "examples" / "placement.yml").read_text(encoding="utf-8")
    stack = load_files(Path(generate.HERE / "examples" / "placement.yml"), name=None, variables={})
    assert stack.name == "placement"
    for operator in Operator:
        assert operator.value in text or operator in (Operator.MORE, Operator.AT_MOST), operator


def test_what_the_page_shows_can_be_written() -> None:
    page = generate.PAGES[0].read_text(encoding="utf-8")
    shown = page.partition("### On which agents")[2].partition("```yaml\n")[2].partition("```")[0]
    stack = load_stack(f"services:\n  redis: {{image: a}}\n  web:\n    image: a\n{shown}", name="s", variables={})
    web = stack.groups[1].rules
    assert len(web.constraints) == 7
    assert (len(web.spread), web.near[0].field, str(web.apart[0].to)) == (3, "rack", "*/batch[heavy]")
    assert [preference.weight for preference in web.prefer] == [50, -20]
    assert (web.strategy, web.sticky_wait_seconds) == (Strategy.PACK, 600.0)


@pytest.mark.parametrize("word", ["IS_NOT", "is_not", "<>"])
def test_is_not_leads_to_its_operator(word: str) -> None:
    with pytest.raises(StackError, match="did you mean !="):
        groups(f"constraints: [rack {word} r1]")
