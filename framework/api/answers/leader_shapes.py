"""The shapes of requests and answers about leadership, as the OpenAPI page tells them."""

from __future__ import annotations

from pydantic import Field

from framework.api.answers.shapes import Seconds, Shape


class MemberLine(Shape):
    address: str = Field(description="host:port that it advertises", examples=["10.0.0.10:8080"])
    since: Seconds


class LeaderAnswer(Shape):
    """Who leads and who stands by, as ZooKeeper says. `leader` and `since` are null while nobody leads."""

    leader: str | None = Field(examples=["10.0.0.9:8080"])
    since: Seconds | None
    epoch: int = Field(description="the number of the term of leadership", examples=[7])
    standbys: list[MemberLine]
    session_timeout_seconds: float = Field(description="of the scheduler that answers", examples=[10.0])
    answered_by: str = Field(examples=["10.0.0.10:8080"])


class StepDownBody(Shape):
    to: str = Field("", description="host:port of the standby that shall lead; empty: any", max_length=300)
    anyway: bool = Field(False, description="also where nobody stands by")
    epoch: int | None = Field(None, description="the epoch that shall end: refused where another has begun", ge=0)


class MessageAnswer(Shape):
    message: str = Field(examples=["the scheduler at 10.0.0.9:8080 steps down; 10.0.0.10:8080 takes over"])
