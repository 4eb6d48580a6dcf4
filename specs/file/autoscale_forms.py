"""How a group is scaled by its load, as files say it: `autoscale`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import Any

from specs.file.fields import Field, Table
from specs.file.health_forms import DURATION
from specs.file.kinds import Integer, Parsed, Schema
from specs.file.reader import Reader, Unreadable
from specs.file.source import Node, Sequence
from specs.model.autoscale import METRIC_NAME, Autoscale, MetricTarget
from specs.model.limits import MAX_INSTANCES, MAX_METRICS, MAX_TARGET_PERCENT

_WANTED_PERCENT = f"per cent of what the group asks for, from 1% to {MAX_TARGET_PERCENT}%, as 60%"
_WANTED_NAME = "the name of a metric, as requests_in_flight"
_WANTED_TARGET = "a number above 0, as 20 or 0.5"
_PERCENT = re.compile(r"([0-9]{1,9})\s*%")
"""Prometheus's rule."""


def _percent(text: str) -> int:
    found = _PERCENT.fullmatch(text.strip())
    if not found or not 1 <= int(found[1]) <= MAX_TARGET_PERCENT:
        raise ValueError(f"wanted {_WANTED_PERCENT}; got {text!r}")
    return int(found[1])


def _name(text: str) -> str:
    if not METRIC_NAME.fullmatch(text):
        raise ValueError(f"wanted {_WANTED_NAME}: letters, digits, _ and :, and no digit first; got {text!r}")
    return text


def _target(text: str) -> float:
    target = float(text) if re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,9})?", text) else 0.0
    if target <= 0:
        raise ValueError(f"wanted {_WANTED_TARGET}; got {text!r}")
    return target


_PERCENTS = Parsed(_percent, _WANTED_PERCENT, pattern=r"^[0-9]+\s*%$")
_NUMBER = Integer(1, MAX_INSTANCES)
METRIC = Table(
    "a metric to scale by",
    (
        Field("name", Parsed(_name, _WANTED_NAME), "name", "As the application's own page of metrics calls it."),
        Field(
            "target",
            Parsed(_target, _WANTED_TARGET, ("number", "string"), r"^[0-9]+(\.[0-9]+)?$"),
            "target",
            "What it shall be for each task, on average.",
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Metrics:
    """A metric and its target, or a list of them."""

    def read(self, reader: Reader, node: Node) -> tuple[MetricTarget, ...]:
        items = node.items if isinstance(node, Sequence) else (node,)
        return tuple(reader.each(partial(self._one, reader, item) for item in items))

    @staticmethod
    def _one(reader: Reader, node: Node) -> MetricTarget:
        before = reader.faults.count
        found = METRIC.read(reader, node)
        for name in ("name", "target"):
            if name not in found and reader.faults.count == before:
                reader.note(node, f"a metric to scale by lacks {name}; wanted both, as {{name: queued, target: 20}}")
        if reader.faults.count > before:
            raise Unreadable
        return MetricTarget(name=found["name"].value, target=found["target"].value)

    def schema(self) -> Schema:
        one = {**METRIC.schema(), "required": ["name", "target"]}
        return {"anyOf": [one, {"type": "array", "minItems": 1, "maxItems": MAX_METRICS, "items": one}]}


AUTOSCALE = Table(
    "autoscale",
    (
        Field("min", _NUMBER, "min", "So many tasks at least (1)."),
        Field("max", _NUMBER, "max", "So many tasks at most; has to be said."),
        Field("cpu", _PERCENTS, "cpu_percent", "Of the cpus that it asks for each task shall use so much, as 60%."),
        Field("memory", _PERCENTS, "memory_percent", "The same of the memory."),
        Field("metric", Metrics(), "metrics", "A metric of the application: {name, target}, or a list of them."),
        Field("up_after", DURATION, "up_after_seconds", "More tasks once that was wanted for so long (30s)."),
        Field("cool_down", DURATION, "cool_down_seconds", "Fewer tasks once that was wanted for so long (3m)."),
    ),
    {
        "instances": "instances is refused here: it is a key of the service, and says how many there are at first",
        "target": "target is refused here: say cpu: 60%, memory: 70%, or metric: {name: …, target: …}",
    },
)


@dataclass(frozen=True, slots=True)
class Autoscaling:
    """The mapping, whole. Gives an Autoscale, each of its fields located at (autoscale.field,)."""

    def read(self, reader: Reader, node: Node) -> Autoscale:
        before = reader.faults.count
        found = AUTOSCALE.read(reader, node)
        if "max" not in found and reader.faults.count == before:
            reader.note(node, "wanted max: how many tasks there are at most, as {max: 10, cpu: 60%}")
        if reader.faults.count > before:
            raise Unreadable
        for field in AUTOSCALE.fields:
            one = found.get(field.target)
            reader.locate((f"autoscale.{field.target}",), one.node if one else node)
        values: dict[str, Any] = {name: one.value for name, one in found.items()}
        return Autoscale(**{"min": 1, **values})

    def schema(self) -> Schema:
        return {**AUTOSCALE.schema(), "required": ["max"]}
