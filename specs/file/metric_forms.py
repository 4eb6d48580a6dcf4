"""`metrics`: where a task tells its own metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from specs.file.fields import Field, Table
from specs.file.health_forms import DURATION
from specs.file.kinds import Schema, Text
from specs.file.reader import Reader, Unreadable
from specs.file.source import Node
from specs.model.stack import MetricsPage

METRICS = Table(
    "metrics",
    (
        Field("path", Text("a path that begins with /"), "path", "GET on this path gives the page (/metrics)."),
        Field("port", Text("a port's name"), "port", "The name of the port to ask; needed where there are several."),
        Field("interval", DURATION, "interval_seconds", "Time from one question to the next, 1s or more (15s)."),
    ),
    {"timeout": "timeout is refused: a page has 5s; leave it out"},
)


@dataclass(frozen=True, slots=True)
class Page:
    """The mapping `metrics`. Gives a MetricsPage whose `port` may still be empty."""

    def read(self, reader: Reader, node: Node) -> MetricsPage:
        before = reader.faults.count
        values: dict[str, Any] = {name: one.value for name, one in METRICS.read(reader, node).items()}
        if reader.faults.count > before:
            raise Unreadable
        return MetricsPage(**values)

    def schema(self) -> Schema:
        return METRICS.schema()
