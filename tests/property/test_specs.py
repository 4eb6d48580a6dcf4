"""Properties of every name, amount, stack and file."""

from __future__ import annotations

import json
import string
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from specs.file.interpolate import InterpolationError, interpolate
from specs.file.load import load_stack, stack_from_json, stack_to_json
from specs.file.source import read_yaml
from specs.file.values import MAX_SIZE_MIB, parse_cpus_milli, parse_size_mib
from specs.ids import GroupId, group_id, name_fault, parse_group_id, task_id
from specs.model.canonical import (
    container_from_json,
    container_json,
    from_plain,
    to_plain,
    version_from_json,
    version_json,
    version_of,
)
from specs.model.constraints import (
    STICKY_ALWAYS,
    Constraint,
    Counted,
    GroupByMode,
    Neighbour,
    Preference,
    Rules,
    Selector,
    Spread,
    Strategy,
)
from specs.model.difference import Change, difference
from specs.model.errors import StackError
from specs.model.operators import Operator
from specs.model.resources import PortRanges, Resources
from specs.model.stack import (
    CheckKind,
    Condition,
    Container,
    Dependency,
    Group,
    HealthCheck,
    Port,
    Protocol,
    Restart,
    Stack,
    Stop,
    Ulimit,
    Volume,
)
from specs.model.update import OnFailure, Order, Share, Step, Update
from specs.rules.stack_rules import check

words = st.text(string.ascii_letters + string.digits + "-_.", min_size=1, max_size=6)
names = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
ports = st.integers(1, 65535)
ranges = st.builds(PortRanges.of, st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=6))
amounts = st.builds(
    Resources,
    cpus_milli=st.integers(0, 50),
    mem_mib=st.integers(0, 50),
    disk_mib=st.integers(0, 50),
    gpus=st.integers(0, 3),
    ports=ranges,
)


def pairs(keys: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[tuple[str, str], ...]]:
    return st.dictionaries(keys, texts, max_size=4).map(lambda found: tuple(sorted(found.items())))


variables = st.text(string.ascii_letters + "_", min_size=1, max_size=6)


@st.composite
def containers(draw: st.DrawFn) -> Container:
    host_ports = draw(st.lists(ports, max_size=4, unique=True))
    named = tuple(
        Port(
            name=f"p{number}",
            container_port=draw(ports),
            host_port=draw(st.sampled_from([host, None])),
            protocol=draw(st.sampled_from(Protocol)),
        )
        for number, host in enumerate(host_ports)
    )
    tcp = [port.name for port in named if port.protocol is Protocol.TCP]
    checks = [HealthCheck(kind=CheckKind.COMMAND, command=("true",), interval_seconds=draw(st.floats(0.1, 60)))]
    checks += [HealthCheck(kind=CheckKind.TCP, port=name) for name in tcp]
    return Container(
        image=draw(names),
        command=draw(st.none() | st.lists(texts, max_size=3).map(tuple)),
        environment=draw(pairs(variables)),
        labels=draw(pairs(variables)),
        ports=named,
        volumes=tuple(Volume(source=draw(names), target=f"/v{number}") for number in range(draw(st.integers(0, 2)))),
        privileged=draw(st.booleans()),
        ulimits=draw(st.sampled_from([(), (Ulimit(name="nofile", soft=1, hard=2),)])),
        stop=Stop(grace_seconds=draw(st.floats(0, 100))),
        health=draw(st.none() | st.sampled_from(checks)),
    )


def leaves(field: str) -> st.SearchStrategy[Constraint]:
    """Rules of one field that are right by themselves."""
    operators = {
        Operator.UNIQUE: st.just(()),
        Operator.CLUSTER: st.lists(words, max_size=1),
        Operator.GROUP_BY: st.lists(st.integers(1, 99).map(str), max_size=1),
        Operator.MAX_PER: st.integers(1, 99).map(lambda most: [str(most)]),
        Operator.LIKE: st.sampled_from([["us-.*"], ["(a|b) c"], ["a b"]]),
        Operator.UNLIKE: st.sampled_from([["us-.*"], ["[xyz]"]]),
        Operator.LESS: st.integers(-9, 9).map(lambda number: [str(number)]),
        Operator.AT_LEAST: st.sampled_from([["0.5"], ["-3"]]),
        Operator.IN: st.lists(words, min_size=1, max_size=3),
        Operator.NOT_IN: st.lists(words, min_size=1, max_size=3),
        Operator.VERSION: st.lists(st.sampled_from([">= 5.4", "< 6", "!= 5.10-rc1"]), min_size=1, max_size=2),
        Operator.IS_SET: st.just(()),
        Operator.IS_NOT_SET: st.just(()),
    }
    exact = (Operator.IS, Operator.EQUAL, Operator.NOT_EQUAL, Operator.CONTAINS)
    operators.update({operator: words.map(lambda word: [word]) for operator in exact})

    @st.composite
    def leaf(draw: st.DrawFn) -> Constraint:
        operator = draw(st.sampled_from(sorted(operators)))
        rule = Constraint(operator=operator, field=field, values=tuple(draw(operators[operator])))
        if operator is Operator.GROUP_BY:
            rule = replace(rule, mode=draw(st.sampled_from(GroupByMode)))
        return replace(rule, counts=draw(st.sampled_from(Counted))) if rule.is_counting else rule

    return leaf()


@st.composite
def hard_rules(draw: st.DrawFn, *, size: int = 4) -> tuple[Constraint, ...]:
    """Rules that can all hold: each is about a field of its own."""
    found: list[Constraint] = []
    for number in range(draw(st.integers(0, size))):
        operator = draw(st.sampled_from([None, None, Operator.ANY, Operator.ALL, Operator.NOT]))
        parts = [draw(leaves(f"f{number}-{part}")) for part in range(1 if operator is Operator.NOT else 2)]
        found.append(Constraint(operator=operator, parts=tuple(parts)) if operator else parts[0])
    return tuple(found)


@st.composite
def spreads(draw: st.DrawFn) -> tuple[Spread, ...]:
    fields = draw(st.lists(st.sampled_from(["zone", "rack", "hostname"]), max_size=3, unique=True))
    return tuple(
        draw(
            st.sampled_from(
                [
                    Spread(over=field, within=tuple(fields[:index]), max_skew=2, min_domains=3),
                    Spread(over=field, within=tuple(fields[:index]), weight=7),
                    Spread(over=field, within=tuple(fields[:index]), targets=(("*", 20), ("a", 50)), weight=3),
                ]
            )
        )
        for index, field in enumerate(fields)
    )


@st.composite
def rules(draw: st.DrawFn) -> Rules:
    selectors = [Selector(stack="*", service="re?is*"), Selector(stack="other", service="db", labels=("a", "b"))]
    neighbours = st.sampled_from(selectors).flatmap(
        lambda to: st.builds(Neighbour, to=st.just(to), field=st.sampled_from(["hostname", "rack"]))
    )
    return Rules(
        constraints=draw(hard_rules()),
        spread=draw(spreads()),
        near=tuple(draw(st.lists(neighbours, max_size=1))),
        apart=tuple(replace(one, weight=5) for one in draw(st.lists(neighbours, max_size=1))),
        prefer=tuple(
            Preference(rule=rule, weight=draw(st.sampled_from([-100, 1, 50])))
            for rule in draw(hard_rules(size=2))
            if not rule.is_counting
        ),
        strategy=draw(st.sampled_from(Strategy)),
        sticky=True,
        sticky_wait_seconds=draw(st.sampled_from([0.0, 60.0, STICKY_ALWAYS])),
    )


@st.composite
def updates(draw: st.DrawFn, *, instances: int) -> Update:
    """Paces that can move a group of so many."""
    percents = st.integers(1, 99).map(lambda percent: Share(percent=percent))
    shares = percents | st.integers(0, 100).map(lambda count: Share(count=count))
    order = draw(st.sampled_from([Order.START_FIRST, Order.STOP_FIRST]))
    kept = draw(st.integers(0, max(instances - 1, 0)))
    surge = draw(percents if order is Order.START_FIRST else shares)
    reached = sorted(draw(st.sets(st.integers(1, 100), max_size=3)))
    wait = draw(st.integers(0, 10**6))
    return Update(
        parallelism=draw(shares),
        min_healthy=draw(st.sampled_from([None, Share(count=kept)])),
        max_surge=surge,
        order=order,
        wait_seconds=wait / 1000,
        deadline_seconds=draw(st.sampled_from([0.0, (wait + 6500) / 1000])),
        max_failures=draw(shares),
        on_failure=draw(st.sampled_from([OnFailure.PAUSE, OnFailure.CONTINUE])),
        steps=tuple(
            step
            for percent in reached
            for step in (Step(until=Share(percent=percent)), Step(hold_seconds=draw(st.sampled_from([0.0, 60.0]))))
        ),
    )


SOME_UPDATES = [
    Update(),
    Update(
        parallelism=Share(count=1), max_surge=Share(), order=Order.STOP_FIRST, min_healthy=Share(), wait_seconds=1.5
    ),
    Update(min_healthy=Share(percent=100), order=Order.START_FIRST, steps=(Step(until=Share(percent=5)), Step())),
]


def update_text(update: Update) -> str:
    """The update in the words of a file; its times are of whole milliseconds."""
    plain: dict[str, Any] = {
        "parallelism": str(update.parallelism),
        "max_surge": str(update.max_surge),
        "wait": f"{update.wait_seconds:.3f}s",
        "monitor": f"{update.monitor_seconds:.3f}s",
        "deadline": f"{update.deadline_seconds:.3f}s",
        "max_failures": str(update.max_failures),
        "on_failure": update.on_failure.value,
    }
    if update.order is not None:
        plain["order"] = update.order.value
    if update.min_healthy is not None:
        plain["min_healthy"] = str(update.min_healthy)
    if update.steps:
        plain["steps"] = [str(step) for step in update.steps]
    return json.dumps(plain)


@st.composite
def stacks(draw: st.DrawFn) -> Stack:
    name = draw(names)
    services = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    groups: list[Group] = []
    for number, service in enumerate(services):
        for labels in draw(st.lists(st.frozensets(names, max_size=2), min_size=1, max_size=2, unique=True)):
            needs = sorted(draw(st.frozensets(st.sampled_from(services[:number]), max_size=2))) if number else []
            groups.append(
                Group(
                    id=group_id(name, service, sorted(labels)),
                    instances=draw(st.integers(0, 100)),
                    container=draw(containers()),
                    resources=Resources(
                        cpus_milli=draw(st.integers(1, 9999)),
                        mem_mib=draw(st.integers(4, 9999)),
                        scalars=draw(st.sampled_from([(), (("bandwidth", 500), ("lanes", 2000))])),
                        sets=draw(st.sampled_from([(), (("fpga", ("a", "b")),)])),
                    ),
                    rules=draw(st.just(Rules()) | rules()),
                    restart=draw(st.sampled_from(Restart)),
                    dependencies=tuple(Dependency(service=need, condition=Condition.STARTED) for need in needs),
                    metadata=draw(pairs(texts)),
                    update=draw(st.sampled_from(SOME_UPDATES)),
                    rollback=draw(st.sampled_from([None, Update(), Update(parallelism=Share())])),
                )
            )
    return Stack(name=name, groups=tuple(sorted(groups, key=lambda group: group.id)))


@given(ranges, ranges)
def test_port_ranges_are_sets(left: PortRanges, right: PortRanges) -> None:
    assert set(left | right) == set(left) | set(right)
    assert set(left - right) == set(left) - set(right)
    assert len(left) == len(set(left))
    assert PortRanges.of(reversed(left.ranges)) == left
    assert all(last + 1 < first for (_, last), (first, _) in zip(left.ranges, left.ranges[1:], strict=False))


@given(amounts, amounts)
def test_what_is_covered_can_be_taken_and_given_back(there: Resources, wanted: Resources) -> None:
    if there.covers(wanted):
        assert (there - wanted) + wanted == there
    else:
        with pytest.raises(ValueError, match="more is taken than there is"):
            there - wanted


@given(names, names, st.frozensets(names, max_size=3), st.integers(0, 99), st.integers(0, 10**9))
def test_names_make_ids_that_say_them(stack: str, service: str, labels: frozenset[str], slot: int, serial: int) -> None:
    group = group_id(stack, service, sorted(labels))
    assert all(name_fault(name) is None for name in (stack, service, *labels))
    assert parse_group_id(str(group)) == group
    assert group.matches(str(group))
    assert task_id(group, slot, serial).split(".")[:2] == [stack, service]
    assert set(task_id(group, slot, serial)) <= set(string.ascii_lowercase + string.digits + "-.")


@given(st.text(max_size=80))
def test_a_name_without_a_fault_is_one_of_the_rule(name: str) -> None:
    allowed = set(string.ascii_lowercase + string.digits + "-")
    is_name = 0 < len(name) <= 63 and set(name) <= allowed and name[0] != "-" and name[-1] != "-"
    assert (name_fault(name) is None) == is_name


@settings(max_examples=60)
@given(stacks())
def test_a_stack_goes_to_json_and_back(stack: Stack) -> None:
    assert check(stack) == ()
    sent = json.loads(json.dumps(stack_to_json(stack)))
    assert stack_from_json(sent, name=stack.name) == stack
    assert difference(stack, stack) == ()
    for group in stack.groups:
        assert container_from_json(container_json(group.container)) == group.container
        again = version_from_json(version_json(group.container, group.resources))
        assert again == (group.container, group.resources)


@settings(max_examples=60)
@given(stacks(), stacks())
def test_equal_versions_are_equal_settings(left: Stack, right: Stack) -> None:
    groups = [*left.groups, *right.groups]
    for one in groups:
        for other in groups:
            same = (one.container, one.resources) == (other.container, other.resources)
            assert (version_of(one) == version_of(other)) == same


@settings(max_examples=150)
@given(st.sampled_from(["rack", "@zone", "hostname"]).flatmap(leaves))
def test_a_rule_is_read_as_it_is_shown(rule: Constraint) -> None:
    text = json.dumps(str(rule))
    (group,) = load_stack(f"services: {{web: {{image: a, constraints: {text}}}}}", name="s", variables={}).groups
    assert group.rules.constraints == (rule,)


@settings(max_examples=60)
@given(rules())
def test_rules_keep_the_version_and_their_difference_is_told(some: Rules) -> None:
    plain = Group(id=group_id("s", "web"), instances=1, container=Container(image="a"))
    group = replace(plain, rules=some)
    assert version_of(group) == version_of(plain)
    assert from_plain(Rules, json.loads(json.dumps(to_plain(some)))) == some
    (change,) = difference(Stack(name="s", groups=(plain,)), Stack(name="s", groups=(group,)))
    assert change.change is Change.METADATA
    assert change.fields


@settings(max_examples=150)
@given(st.integers(0, 5).flatmap(lambda instances: updates(instances=instances)))
def test_an_update_is_read_as_it_is_written(update: Update) -> None:
    text = f"services: {{web: {{image: a, instances: 0, update: {update_text(update)}}}}}"
    stack = load_stack(text, name="s", variables={})
    assert stack.groups[0].update == update
    assert stack_from_json(json.loads(json.dumps(stack_to_json(stack))), name="s") == stack


@settings(max_examples=300)
@given(st.text(st.sampled_from("ab 0159%-.pausems"), max_size=12))
def test_any_text_is_a_share_and_a_step_or_is_refused(text: str) -> None:
    body = {"services": {"web": {"image": "a", "update": {"max_surge": text, "steps": [text, "pause"]}}}}
    try:
        stack = stack_from_json(body, name="s")
    except StackError as error:
        assert all(fault.path.startswith("services.web.update") for fault in error.faults)
    else:
        assert stack_from_json(stack_to_json(stack), name="s") == stack


@settings(max_examples=300)
@given(st.text(st.sampled_from("ab ,<>=!~[](){}:*$@UNIQUELIKESNOT.0"), max_size=30))
def test_any_text_is_a_rule_or_is_refused(text: str) -> None:
    body = {"services": {"web": {"image": "a", "constraints": text, "prefer": text, "near": text, "spread": text}}}
    try:
        stack = stack_from_json(body, name="s")
    except StackError as error:
        assert all(fault.path.startswith("services.web.") for fault in error.faults)
    else:
        assert stack_from_json(stack_to_json(stack), name="s") == stack


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["services", "groups", "web", "image", "id", "container", "instances", "ports", "labels", "health"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@settings(max_examples=300)
@given(json_values)
def test_garbage_is_refused_and_breaks_nothing(plain: Any) -> None:
    try:
        stack_from_json(plain, name="s")
    except StackError as error:
        assert error.faults


@settings(max_examples=100)
@given(stacks(), st.data())
def test_a_stack_with_one_value_spoilt_is_refused_or_a_stack(stack: Stack, data: st.DataObject) -> None:
    plain = json.loads(json.dumps(stack_to_json(stack)))
    place: Any = plain
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            break
        key = data.draw(st.sampled_from(keys))
        if isinstance(place[key], (dict, list)) and data.draw(st.booleans()):
            place = place[key]
            continue
        place[key] = data.draw(json_values)
        break
    try:
        assert check(stack_from_json(plain, name=stack.name)) == ()
    except StackError as error:
        assert error.faults


@settings(max_examples=300)
@given(st.text(st.sampled_from(" \n\t:-[]{},&*!|>'\"#%@`?abx0.~<$\\"), max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read_yaml(text, "f.yml")
    except StackError as error:
        assert all(fault.file == "f.yml" for fault in error.faults)


@settings(max_examples=200)
@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        load_stack(content, name="s", file="f.yml", variables={})
    except StackError as error:
        assert error.faults


@given(st.text(max_size=30))
def test_a_text_with_its_dollars_doubled_is_itself(text: str) -> None:
    assert interpolate(text.replace("$", "$$"), {}) == text


@settings(max_examples=300)
@given(
    st.text(st.sampled_from("$${}}:-?+AB_1 "), max_size=20),
    st.dictionaries(st.sampled_from(["A", "B"]), st.text(max_size=4)),
)
def test_any_text_is_filled_in_or_refused(text: str, values: dict[str, str]) -> None:
    try:
        interpolate(text, values)
    except InterpolationError as error:
        assert str(error)


@given(st.integers(0, 10**7))
def test_cpus_are_exact(milli: int) -> None:
    assert parse_cpus_milli(f"{milli // 1000}.{milli % 1000:03}") == milli


UNITS = {unit: 1024**power for power, unit in enumerate("bkmgt")}
MOST_BYTES = MAX_SIZE_MIB << 20


@given(st.data(), st.sampled_from(sorted(UNITS)))
def test_sizes_are_rounded_up_never_down(data: st.DataObject, unit: str) -> None:
    most = MOST_BYTES // UNITS[unit]
    number = data.draw(st.one_of(st.integers(1, min(10**6, most)), st.integers(1, most)))
    size = number * UNITS[unit]
    assert (parse_size_mib(f"{number}{unit}") - 1) << 20 < size <= parse_size_mib(f"{number}{unit}") << 20


@given(st.integers(1, 10**20), st.sampled_from(sorted(UNITS)))
@example(1, "b")
@example(1, "t")
def test_sizes_beyond_the_limit_are_refused(beyond: int, unit: str) -> None:
    most = MOST_BYTES // UNITS[unit]
    assert parse_size_mib(f"{most}{unit}") <= MAX_SIZE_MIB
    with pytest.raises(ValueError, match=r"at most 1,000,000,000,000 MiB; got"):
        parse_size_mib(f"{most + beyond}{unit}")


def test_group_ids_are_ordered() -> None:
    assert GroupId("a", "b") < GroupId("a", "b", ("c",)) < GroupId("a", "c")
