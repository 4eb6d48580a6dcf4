"""How `autoscale` is read, and what is wrong with it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from specs.file.load import load_stack, stack_from_json, stack_to_json
from specs.model.autoscale import Autoscale, MetricTarget
from specs.model.canonical import version_of
from specs.model.constraints import Mode
from specs.model.difference import Change, difference
from specs.model.errors import StackError
from specs.model.stack import Group, Stack
from specs.rules.stack_rules import check

METRICS = "ports: {http: 80}, metrics: {path: /m}"


def load(service: str) -> Group:
    (group,) = load_stack(f"services: {{web: {{image: a, {service}}}}}", name="s", variables={"N": "60"}).groups
    return group


def mistakes(service: str) -> list[str]:
    with pytest.raises(StackError) as caught:
        load(service)
    return [f"{fault.path}: {fault.message}" for fault in caught.value.faults]


def test_every_key() -> None:
    text = "autoscale: {min: 2, max: 9, cpu: '${N}%', memory: 70 %, up_after: 1m, cool_down: 10m"
    whole = load(f"{text}, metric: {{name: queued, target: 2.5}}}}, {METRICS}")
    assert whole.autoscale == Autoscale(
        min=2,
        max=9,
        cpu_percent=60,
        memory_percent=70,
        metrics=(MetricTarget(name="queued", target=2.5),),
        up_after_seconds=60,
        cool_down_seconds=600,
    )
    assert whole.instances == 2, "it starts with min"
    two = load(f"{text}, metric: [{{name: a, target: 1}}, {{name: b:c, target: 2}}]}}, {METRICS}").autoscale
    assert two is not None
    assert [each.name for each in two.metrics] == ["a", "b:c"]
    again = stack_from_json(stack_to_json(Stack(name="s", groups=(whole,))), name="s")
    assert again.groups == (whole,)


def test_what_is_not_said() -> None:
    assert load("instances: 3").autoscale is None
    group = load("autoscale: {max: 4, cpu: 50%}, instances: 3")
    assert group.autoscale == Autoscale(min=1, max=4, cpu_percent=50)
    assert group.instances == 3


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("cpu: 60%", ": wanted max: how many tasks there are at most"),
        ("max: 3", ": wanted something to go by: cpu: 60%"),
        ("max: 3, cpu: 60", ".cpu: wanted per cent of what the group asks for, from 1% to 1000%, as 60%; got '60'"),
        ("max: 3, cpu: 0%", ".cpu: wanted per cent"),
        ("max: 3, mem: 60%", ".mem: unknown key 'mem' in autoscale; did you mean memory?"),
        ("max: 3, cpu: 1%, instances: 2", ".instances: instances is refused here"),
        ("min: 4, max: 3, cpu: 1%", ".max: wanted max from 4, which is min, to 100,000; got 3"),
        ("max: 3, cpu: 1%, cool_down: 0s", ".cool_down: wanted cool_down from 1s to 7d; got 0 s"),
        ("max: 3, metric: {name: a}", ".metric: a metric to scale by lacks target"),
        ("max: 3, metric: {name: 1-a, target: 2}", ".metric.name: wanted the name of a metric"),
        ("max: 3, metric: {name: a, target: 0}", ".metric.target: wanted a number above 0"),
        ("max: 3, metric: {name: a, target: 1}", ".metric: goes by a, and nothing says where tasks tell it"),
        ("max: 3, metric: [{name: a, target: 1}, {name: a, target: 2}]", ".metric: a stands there 2 times"),
    ],
)
def test_mistakes(text: str, mistake: str) -> None:
    assert any(found.startswith(f"services.web.autoscale{mistake}") for found in mistakes(f"autoscale: {{{text}}}"))


def test_what_does_not_go_together() -> None:
    assert mistakes("autoscale: {max: 3, cpu: 1%}, instances: 4") == [
        "services.web.instances: wanted instances between autoscale's min and max, 1 and 3; got 4"
    ]
    (found,) = mistakes("autoscale: {max: 3, cpu: 1%}, mode: global")
    assert found.startswith("services.web.autoscale: a global service has one task on every agent that fits")


def test_rules_hold_for_what_comes_from_elsewhere() -> None:
    group = load("autoscale: {max: 4, cpu: 50%}")
    bad = replace(group, autoscale=Autoscale(min=0, max=4, cpu_percent=5000), mode=Mode.REPLICATED)
    faults = [fault.message for fault in check(Stack(name="s", groups=(bad,)))]
    assert [message.partition(";")[0] for message in faults] == [
        "wanted min from 1 to 100,000",
        "wanted cpu from 1% to 1000%",
    ]


def test_changing_it_replaces_nothing() -> None:
    old, new = load("autoscale: {max: 4, cpu: 50%}"), load("autoscale: {max: 8, cpu: 50%}")
    assert version_of(old) == version_of(new)
    (change,) = difference(Stack(name="s", groups=(old,)), Stack(name="s", groups=(new,)))
    assert change.change is Change.METADATA
    assert [(field.path, field.old, field.new) for field in change.fields] == [("autoscale.max", 4, 8)]
