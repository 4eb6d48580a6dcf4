"""How `update` and `rollback` are read, in our words and in compose's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from specs.file.load import load_stack, stack_from_json, stack_to_json
from specs.file.update_forms import parse_share
from specs.model.canonical import version_of
from specs.model.errors import StackError
from specs.model.stack import Group, Stack
from specs.model.update import OnFailure, Order, Share, Step, Update
from specs.rules.stack_rules import check

ALL = Share(percent=100)
COMPOSE = Update(parallelism=Share(count=1), order=Order.STOP_FIRST, max_failures=Share())


def load(service: str) -> Group:
    (group,) = load_stack(f"services: {{web: {{image: a, {service}}}}}", name="s", variables={"N": "2"}).groups
    return group


def test_without_it_the_defaults_hold() -> None:
    assert (load("instances: 1").update, load("instances: 1").rollback) == (Update(), None)
    assert load("update: {}").update == Update()


@pytest.mark.parametrize(
    ("said", "share"),
    [
        ("5", Share(count=5)),
        ('"25%"', Share(percent=25)),
        ("25%", Share(percent=25)),
        ("25 %", Share(percent=25)),
        ("${N}", Share(count=2)),
        ("${N}0%", Share(percent=20)),
        ("0", Share()),
    ],
)
def test_shares(said: str, share: Share) -> None:
    assert load(f"update: {{parallelism: '{said.strip(chr(34))}'}}").update.parallelism == share
    if "$" not in said and " " not in said:
        assert load(f"update: {{parallelism: {said}}}").update.parallelism == share


@pytest.mark.parametrize("text", ["", "-1", "1.5", "25%%", "%", "a", "1 2", "9999999999"])
def test_what_is_no_share(text: str) -> None:
    with pytest.raises(ValueError, match="wanted a number of tasks as 2, or per cent"):
        parse_share(text)


def test_every_key() -> None:
    text = (
        "instances: 4, update: {parallelism: 2, min_healthy: 75%, max_surge: 1, order: start-first, wait: 10s, "
        "monitor: 1m, deadline: 5m, max_failures: 10%, on_failure: rollback, "
        "steps: [1, pause 10m, 25%, pause, {pause: 5m}, {pause: }, 100%]}"
    )
    assert load(text).update == Update(
        parallelism=Share(count=2),
        min_healthy=Share(percent=75),
        max_surge=Share(count=1),
        order=Order.START_FIRST,
        wait_seconds=10,
        monitor_seconds=60,
        deadline_seconds=300,
        max_failures=Share(percent=10),
        on_failure=OnFailure.ROLLBACK,
        steps=(
            Step(until=Share(count=1)),
            Step(hold_seconds=600),
            Step(until=Share(percent=25)),
            Step(),
            Step(hold_seconds=300),
            Step(),
            Step(until=ALL),
        ),
    )


def test_a_canary_is_steps() -> None:
    assert load("update: {canary: 1}").update == load("update: {steps: [1, pause, 100%]}").update
    assert load("update: {canary: 10%}").update.steps == (Step(until=Share(percent=10)), Step(), Step(until=ALL))


def test_going_back_has_defaults_of_its_own() -> None:
    group = load("update: {parallelism: 1, wait: 1m}, rollback: {parallelism: 0}")
    assert group.rollback == Update(parallelism=Share())


def test_what_compose_leaves_out_has_its_defaults() -> None:
    assert load("deploy: {update_config: {}}").update == COMPOSE
    assert load("deploy: {rollback_config: {}}").rollback == COMPOSE
    group = load(
        "deploy: {update_config: {parallelism: 0, delay: 20m, monitor: 1m, order: start-first, "
        "failure_action: rollback, max_failure_ratio: 0.25}, "
        "rollback_config: {parallelism: 2, failure_action: continue}}"
    )
    assert group.update == Update(
        parallelism=Share(),
        order=Order.START_FIRST,
        wait_seconds=1200,
        monitor_seconds=60,
        deadline_seconds=1800,
        max_failures=Share(percent=25),
        on_failure=OnFailure.ROLLBACK,
    )
    assert group.rollback == replace(COMPOSE, parallelism=Share(count=2), on_failure=OnFailure.CONTINUE)


@pytest.mark.parametrize(
    ("service", "order"),
    [
        ("update: {min_healthy: 50%}", None),
        ("update: {max_surge: 0}", Order.STOP_FIRST),
        ("update: {min_healthy: 100%}", Order.START_FIRST),
        ('update: {min_healthy: 100%}, ports: ["8080:80"]', Order.START_FIRST),
        ('update: {min_healthy: 100%}, volumes: ["data:/data:ro"]', Order.START_FIRST),
        ('update: {min_healthy: 100%, order: start-first}, volumes: ["data:/data"]', Order.START_FIRST),
    ],
)
def test_the_order_is_told_where_there_is_only_one(service: str, order: Order | None) -> None:
    assert load(service).update.order is order


def test_a_group_says_its_update_key_by_key() -> None:
    stack = load_stack(
        "services: {web: {image: a, update: {parallelism: 1, canary: 1}, groups: ["
        "{labels: [a]}, {labels: [b], update: {parallelism: 2}}, {labels: [c], update: {steps: [50%]}}]}}",
        name="s",
        variables={},
    )
    a, b, c = (group.update for group in stack.groups)
    assert (str(a.parallelism), str(b.parallelism), str(c.parallelism)) == ("1", "2", "1")
    assert a.steps == b.steps == (Step(until=Share(count=1)), Step(), Step(until=ALL))
    assert c.steps == (Step(until=Share(percent=50)),)


def test_it_changes_no_version_and_goes_to_json_and_back() -> None:
    group = load("update: {parallelism: 1, steps: [1, pause 5m]}, rollback: {wait: 2s, min_healthy: 0}")
    assert version_of(group) == version_of(load("instances: 1"))
    stack = Stack(name="s", groups=(group,))
    assert stack_from_json(stack_to_json(stack), name="s") == stack


@pytest.mark.parametrize(
    ("update", "path", "words"),
    [
        (Update(parallelism=Share(count=1, percent=1)), "update.parallelism", "got both"),
        (Update(max_failures=Share(count=-1)), "update.max_failures", "wanted a number of tasks from 0"),
        (Update(wait_seconds=-1), "update.wait_seconds", "wanted wait from 0s to 7d"),
        (Update(steps=(Step(until=Share(count=1), hold_seconds=3),)), "update.steps[0]", "an amount or a pause"),
        (Update(steps=(Step(until=Share()),)), "update.steps[0]", "wanted at least one task"),
        (Update(steps=(Step(),) * 51), "update.steps", "wanted at most 50 steps; got 51"),
    ],
)
def test_what_no_file_can_say_is_refused_too(update: Update, path: str, words: str) -> None:
    group = replace(load("instances: 2"), update=update)
    (fault,) = check(Stack(name="s", groups=(group,)))
    assert fault.path == f"groups[0].{path}"
    assert words in fault.message


def test_a_rollback_of_any_origin_has_no_steps_and_is_not_rolled_back() -> None:
    back = Update(steps=(Step(until=ALL),), on_failure=OnFailure.ROLLBACK)
    faults = check(Stack(name="s", groups=(replace(load("instances: 2"), rollback=back),)))
    assert [fault.path for fault in faults] == ["groups[0].rollback.steps", "groups[0].rollback.on_failure"]


def test_what_could_not_be_read_is_not_judged() -> None:
    with pytest.raises(StackError) as caught:
        load("instances: some, update: {min_healthy: 5}")
    assert [fault.path for fault in caught.value.faults] == ["services.web.instances"]
