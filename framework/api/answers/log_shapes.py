"""The shapes of answers about what tasks wrote and what happened to them, as the OpenAPI page tells them."""

from __future__ import annotations

from pydantic import Field

from framework.api.answers.shapes import Seconds, Shape


class StoryEntry(Shape):
    at: Seconds
    kind: str = Field(examples=["TaskRunning"])
    text: str = Field(examples=["shop.web.prod.0.12 runs on agent1"])


class StoryAnswer(Shape):
    """What happened to a task, oldest first; entries before `seen_since` are what the store says of it."""

    task: str
    seen_since: Seconds | None = Field(description="null where this leader has seen nothing of it yet")
    entries: list[StoryEntry]


class LogAnswer(Shape):
    """A piece of a log. Bytes that are not UTF-8 are shown as U+FFFD, and as they are with `encoding=base64`;
    `next_offset` is where to go on."""

    task: str
    stream: str = Field(examples=["stdout"])
    offset: int = Field(examples=[0])
    next_offset: int = Field(examples=[512])
    encoding: str = Field(examples=["utf-8"])
    data: str
