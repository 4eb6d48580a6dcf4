"""The bodies of requests: their keys and limits. pydantic checks them before a route is called."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Requested(BaseModel):
    """The base of all bodies: a key that it does not declare is refused."""

    model_config = ConfigDict(extra="forbid")


class StrictBody(Requested):
    """The base of bodies whose values must have the very types that they declare: no 1 for true."""

    model_config = ConfigDict(strict=True)


class Because(Requested):
    """The author of a request and the reason, for the history."""

    message: str = Field(default="", max_length=500, examples=["the sale begins"])
    by: str = Field(default="", max_length=200, examples=["anna@desk"])


class PatternBody(Because):
    pattern: str = Field(
        min_length=1,
        max_length=500,
        description="stack, stack/service or stack/service[label,label]; * and ? stand for anything",
        examples=["shop/web[dev]"],
    )


class ScaleBody(PatternBody):
    """Exactly one of `instances`, `delta` and `factor`. `order`: which tasks go first, instead of the groups' own."""

    instances: int | None = Field(default=None, ge=0, le=100_000, strict=True, examples=[4])
    delta: int | None = Field(default=None, ge=-100_000, le=100_000, strict=True, examples=[1])
    factor: float | None = Field(default=None, ge=0, le=1000, allow_inf_nan=False, examples=[2.0])
    order: Literal["youngest", "oldest"] | None = Field(default=None, examples=["oldest"])

    @model_validator(mode="after")
    def _exactly_one(self) -> ScaleBody:
        given = [name for name in ("instances", "delta", "factor") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"wanted exactly one of instances, delta and factor; got {', '.join(given) or 'none'}")
        return self


class RestartBody(PatternBody):
    wait_seconds: float | None = Field(
        default=None, ge=0, le=86_400, allow_inf_nan=False, description="a new task counts when ready for so long"
    )
    all_at_once: bool = Field(default=False, strict=True, description="all at once, without regard to what serves")


class KillBody(Because):
    """Tasks by their ids, or the numbers at their ends."""

    tasks: list[Annotated[str, Field(min_length=1, max_length=300)]] = Field(
        min_length=1, max_length=1000, examples=[["shop.web.prod.0.12"]]
    )
    scale: bool = Field(default=False, description="their slots are given up: the groups have so many fewer instances")


class RolloutBody(Requested):
    """Which service, "" for all that are left; which rollout, 0 for the one of now; and who asks."""

    service: str = Field("", max_length=200, examples=["web"])
    number: int = Field(0, ge=0, le=10**15, strict=True, examples=[8])
    by: str = Field("", max_length=200, examples=["anna@desk"])


class BackBody(Requested):
    """`to` is a revision; null: the newest earlier definition that would change something."""

    to: int | None = Field(default=None, ge=1, le=2**53, strict=True, examples=[5])
    with_instances: bool = Field(default=False, description="the numbers of instances of that time too")


class RollbackBody(BackBody, Because):
    if_unchanged: int | None = Field(
        default=None, ge=0, strict=True, description="the index that the stack must still have; 0: it must be removed"
    )


class ApproveBody(Requested):
    """Which question, and the number of tasks that it was about when it was read."""

    question: Literal["strangers", "missing"]
    number: int = Field(ge=1, le=1_000_000, strict=True, examples=[37])


class RollBody(Requested):
    """On which agents tasks move from older executors to the current one."""

    agent: str = Field(default="*", max_length=200, description="their host names or ids; * and ? are any")
    processes: bool = Field(default=False, strict=True, description="also where plain processes are restarted by it")


class ExecBody(Requested):
    command: list[str] = Field(min_length=1, max_length=1000, examples=[["ls", "-l"]])
    terminal: bool = Field(False, description="whether it has a terminal; then there is no standard error")
    input: bool = Field(False, description="whether anything comes as its standard input")
    rows: int = Field(0, ge=0, le=10_000)
    columns: int = Field(0, ge=0, le=10_000)
    user: str = Field("", max_length=200, description="empty: the task's")
    working_dir: str = Field("", max_length=4000, description="empty: the task's")
    environment: dict[str, str] = Field(default_factory=dict)


class GoneBody(StrictBody):
    anyway: bool = Field(False, description="also where the agent is registered with the master")
    message: str = Field("", description="why, for the scheduler's log", max_length=500)
    by: str = Field("", description="who", max_length=200, examples=["anna@desk"])


class StepDownBody(StrictBody):
    to: str = Field("", description="host:port of the standby that shall lead; empty: any", max_length=300)
    anyway: bool = Field(False, description="also where nobody stands by")
    epoch: int | None = Field(None, description="the epoch that shall end: refused where another has begun", ge=0)
