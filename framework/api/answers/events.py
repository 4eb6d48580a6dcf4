"""The data of an event in the event stream."""

from __future__ import annotations

from framework.api.answers.base import Seconds, Shape
from framework.ports import Happening


class LaggedData(Shape):
    """Events were missed. `id` is the place in the stream that follows them."""

    id: str
    sequence: int
    kind: str
    text: str


class EventData(LaggedData):
    """Something that happened. `stack`, `group` and `task` are empty where it is about none."""

    at: Seconds
    stack: str
    group: str
    task: str


def event_data(id: str, happening: Happening) -> EventData:
    """A happening under the id that this leader's stream gives it."""
    return {
        "id": id,
        "sequence": happening.sequence,
        "at": happening.at,
        "kind": happening.kind,
        "text": happening.text,
        "stack": happening.stack,
        "group": happening.group,
        "task": happening.task,
    }
