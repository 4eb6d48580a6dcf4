"""The shapes of requests and answers about rollouts. rollout_picture.py makes the answers."""

from __future__ import annotations

from pydantic import Field

from framework.api.answers.shapes import PatternBody, Requested, RolloutProgress, Seconds, Shape, Standing


class RolloutPart(Shape):
    """How far the change of a group is, or was when the rollout ended."""

    group: str = Field(examples=["shop/web[prod]"])
    is_done: bool
    failures: int = Field(description="new tasks that failed")
    problem: str = Field(description="why it failed; empty where it did not")
    paused: str = Field(description="who keeps it from going on; empty where nobody does")
    progress: RolloutProgress | None = Field(description="null of a rollout that was followed by another")


class RolloutLine(Shape):
    """A rollout. `cause` says why it failed, or how it ended."""

    stack: str = Field(examples=["shop"])
    number: int = Field(description="the stack's index with which it began", examples=[8])
    kind: str = Field(description="update, restart or rollback", examples=["update"])
    state: str = Field(
        description="running, paused, failed, done, aborted, rolled back or superseded", examples=["running"]
    )
    is_over: bool
    started_at: Seconds
    started_by: str = Field(examples=["anna@desk"])
    message: str
    cause: str
    ended_at: Seconds | None
    wait_seconds: float | None = Field(description="asked for with a restart; null where it was not")
    is_all_at_once: bool
    groups: list[RolloutPart]


class RolloutAnswer(Standing):
    """The rollout of now, null where there is none; and the last one that is over."""

    stack: str = Field(examples=["shop"])
    index: int = Field(examples=[8])
    rollout: RolloutLine | None
    last: RolloutLine | None


class RolloutsAnswer(Standing):
    """The stack's rollouts that are kept, newest first; the first may be under way."""

    stack: str = Field(examples=["shop"])
    index: int = Field(examples=[8])
    rollouts: list[RolloutLine]


class RolloutBody(Requested):
    """Which service, "" for all that are left; which rollout, 0 for the one of now; and who asks."""

    service: str = Field("", max_length=200, examples=["web"])
    number: int = Field(0, ge=0, le=10**15, strict=True, examples=[8])
    by: str = Field("", max_length=200, examples=["anna@desk"])


class RestartBody(PatternBody):
    wait_seconds: float | None = Field(
        default=None, ge=0, le=86_400, allow_inf_nan=False, description="a new task counts when ready for so long"
    )
    all_at_once: bool = Field(default=False, strict=True, description="all at once, without regard to what serves")
