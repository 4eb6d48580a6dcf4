"""How much of a stack a new file disturbs."""

from __future__ import annotations

import pytest

from specs.file.load import load_stack
from specs.model.difference import Change, FieldDifference, difference
from specs.model.stack import Stack

OLD = """
services:
  web:
    image: a:1
    environment: {A: 1, B: 2}
    ports: {http: 80}
    groups: [{labels: [prod], instances: 2}]
"""


def load(text: str) -> Stack:
    return load_stack(text, name="s", variables={})


def test_nothing() -> None:
    assert difference(load(OLD), load(OLD)) == ()


def test_a_new_stack_and_its_end() -> None:
    (added,) = difference(None, load(OLD))
    assert (str(added.group), added.change, added.old_instances, added.new_instances) == (
        "s/web[prod]",
        Change.ADDED,
        0,
        2,
    )
    (removed,) = difference(load(OLD), Stack(name="s", groups=()))
    assert (removed.change, removed.old_instances, removed.new_instances) == (Change.REMOVED, 2, 0)


def test_other_labels_are_another_group() -> None:
    changes = difference(load(OLD), load(OLD.replace("prod", "test")))
    assert [(str(one.group), one.change) for one in changes] == [
        ("s/web[prod]", Change.REMOVED),
        ("s/web[test]", Change.ADDED),
    ]


@pytest.mark.parametrize(
    ("old", "new", "change", "fields"),
    [
        ("instances: 2", "instances: 5", Change.SCALED, [("instances", 2, 5)]),
        ("image: a:1", "image: a:2", Change.REPLACED, [("image", "a:1", "a:2")]),
        (
            "{A: 1, B: 2}",
            "{A: 1, B: 3, C: 4}",
            Change.REPLACED,
            [("environment.B", "2", "3"), ("environment.C", None, "4")],
        ),
        ("http: 80", "http: 81", Change.REPLACED, [("ports.http.container_port", 80, 81)]),
        ("image: a:1", "image: a:1\n    stop: {drain: 5s}", Change.APPLIED, [("stop", None, {"drain_seconds": 5.0})]),
        ("image: a:1", "image: a:1\n    pull: always", Change.APPLIED, [("pull", None, "always")]),
        (
            "image: a:1",
            "image: a:1\n    metrics: {path: /own}",
            Change.APPLIED,
            [("metrics", None, {"path": "/own", "port": "http"})],
        ),
        (
            "image: a:1",
            "image: a:2\n    stop: {drain: 5s}",
            Change.REPLACED,
            [("image", "a:1", "a:2"), ("stop", None, {"drain_seconds": 5.0})],
        ),
        ("image: a:1", "image: a:1\n    restart: on-failure", Change.METADATA, [("restart", None, "on-failure")]),
        ("image: a:1", "image: a:1\n    metadata: {team: x}", Change.METADATA, [("metadata.team", None, "x")]),
        (
            "image: a:1",
            "image: a:1\n    resources: {cpus: 2}",
            Change.REPLACED,
            [("resources.cpus_milli", 100, 2000)],
        ),
        (
            "image: a:1",
            "image: a:1\n    resources: {custom: {lanes: 2, fpga: [a]}}",
            Change.REPLACED,
            [("resources.custom.fpga", None, ["a"]), ("resources.custom.lanes", None, "2")],
        ),
        (
            "image: a:1",
            "image: a:1\n    constraints: [rack GROUP_BY 3, {not: zone == a}]\n    spread: {over: rack, weight: 5}",
            Change.METADATA,
            [
                ("constraints", None, ["rack GROUP_BY 3", "not (zone == a)"]),
                ("spread", None, ["rack SPREAD (+5 points)"]),
            ],
        ),
        (
            "image: a:1",
            "image: a:1\n    near: web\n    apart: o/x\n    prefer: {rule: a == b, weight: -3}\n    sticky: 5m",
            Change.METADATA,
            [
                ("apart", None, ["o/x on hostname"]),
                ("near", None, ["web on hostname"]),
                ("prefer", None, ["a == b (-3 points)"]),
                ("sticky", None, "300s"),
            ],
        ),
        ("instances: 2", "mode: global", Change.SCALED, [("instances", 2, 1), ("mode", None, "global")]),
        ("image: a:1", "image: a:1\n    strategy: pack", Change.METADATA, [("strategy", None, "pack")]),
        (
            "image: a:1",
            "image: a:1\n    update: {parallelism: 5, wait: 1m, min_healthy: 50%, steps: [1, pause 90s, 50%]}",
            Change.METADATA,
            [
                ("update.min_healthy", None, "50%"),
                ("update.parallelism", "25%", "5"),
                ("update.steps", None, ["1", "pause 90s", "50%"]),
                ("update.wait", "0s", "60s"),
            ],
        ),
        (
            "image: a:1",
            "image: a:1\n    rollback: {parallelism: 0, order: stop-first}",
            Change.METADATA,
            [
                ("rollback.deadline", None, "600s"),
                ("rollback.max_failures", None, "2"),
                ("rollback.max_surge", None, "25%"),
                ("rollback.monitor", None, "5s"),
                ("rollback.on_failure", None, "pause"),
                ("rollback.order", None, "stop-first"),
                ("rollback.parallelism", None, "0"),
                ("rollback.wait", None, "0s"),
            ],
        ),
    ],
)
def test_classes(old: str, new: str, change: Change, fields: list[tuple[str, object, object]]) -> None:
    (one,) = difference(load(OLD), load(OLD.replace(old, new)))
    assert one.change is change
    assert one.fields == tuple(FieldDifference(path=path, old=before, new=after) for path, before, after in fields)


def test_rules_of_one_text_are_told_too() -> None:
    one, other = (
        load(OLD.replace("ports:", f"constraints: [[rack, IN, {items}]]\n    ports:")) for items in ("a, b", "'a, b'")
    )
    (change,) = difference(one, other)
    assert change.change is Change.METADATA
    assert [field.path for field in change.fields] == ["rules.constraints"]


def test_times_of_one_text_are_told_too() -> None:
    one, other = (load(OLD.replace("ports:", f"update: {{wait: {wait}}}\n    ports:")) for wait in ("1m", "60.00001s"))
    (change,) = difference(one, other)
    assert change.change is Change.METADATA
    assert [field.path for field in change.fields] == ["update.wait_seconds"]


def test_the_most_disturbing_class_is_named_and_every_field_told() -> None:
    (one,) = difference(load(OLD), load(OLD.replace("a:1", "a:2").replace("instances: 2", "instances: 3")))
    assert one.change is Change.REPLACED
    assert (one.old_instances, one.new_instances) == (2, 3)
    assert [field.path for field in one.fields] == ["image", "instances"]
