"""The shapes of requests and answers, as the OpenAPI page tells them. picture.py makes the answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Seconds = Annotated[float, Field(description="seconds since 1970", examples=[1732170000.5])]


class Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Detail(Shape):
    path: str = Field(examples=["body.instances"])
    error: str = Field(examples=["is missing"])


class ErrorAnswer(Shape):
    """What went wrong, in a sentence, and where."""

    message: str = Field(examples=["No group matches shop/wbe; did you mean shop/web?"])
    details: list[Detail]


class DoneAnswer(Shape):
    """What was asked is stored. `changed` are the groups for which something changed."""

    changed: list[str] = Field(examples=[["shop/web[prod]"]])
    index: int = Field(description="the stack's index from now on", examples=[8])
    message: str = Field(examples=["unchanged"])


class WarnedAnswer(DoneAnswer):
    """`warnings` are what scaling may have made impossible."""

    warnings: list[str] = Field(default=[], description="not there where nothing was scaled")


class SubmitAnswer(DoneAnswer):
    """`warnings` are what may be meant and may be a mistake."""

    warnings: list[str] = Field(
        examples=[["shop/web: near other/redis on hostname: no group is there now; it waits until one has a task"]]
    )


class Amounts(Shape):
    """Resources; `custom` are scalars (a number) and sets (a list of items) by name."""

    cpus: float = Field(examples=[3.5])
    mem_mib: int = Field(examples=[4096])
    disk_mib: int = Field(examples=[10_000])
    gpus: int
    ports: str = Field(examples=["31000-32000"])
    custom: dict[str, float | list[str]] = Field(examples=[{"bandwidth": 100.0, "fpga": ["a", "b"]}])


class InfoAnswer(Shape):
    version: str = Field(examples=["0.1.0"])
    name: str = Field(description="the framework's name in Mesos", examples=["framework"])
    role: str = Field(examples=["*"])
    framework_id: str | None = Field(examples=["6d1f7b0c-8a2e-4f57-9a39-3f0a6d3c1b11-0000"])
    master: str = Field(description="host:port, empty where there is none", examples=["10.0.0.1:5050"])
    leader: str = Field(description="host:port of the scheduler that answers", examples=["10.0.0.9:8080"])
    started_at: Seconds
    uptime_seconds: float = Field(examples=[3600.0])
    executor_sha256: str
    executor_url_path: str
    connection: str = Field(examples=["subscribed"])
    problem: str = Field(description="what keeps the scheduler from its work; empty where nothing does")


class ReadyAnswer(Shape):
    connection: str = Field(examples=["subscribed"])
    message: str = Field(examples=["Subscribed to the master at 10.0.0.1:5050."])


class Standing(Shape):
    at: Seconds
    connection: str = Field(description="loading, connecting or subscribed", examples=["subscribed"])
    problem: str


class StackLine(Shape):
    name: str = Field(examples=["shop"])
    state: str = Field(
        description="running, waiting, changing, stopped, removing, finished or failed", examples=["running"]
    )
    ready: int = Field(examples=[8])
    wanted: int = Field(examples=[8])
    groups: int = Field(examples=[5])
    index: int = Field(description="raised by every change", examples=[7])
    submitted_at: Seconds
    submitted_by: str = Field(examples=["anna@desk"])
    message: str = Field(examples=["the new catalogue"])
    is_removed: bool
    awaited: str = Field(description="agents that it waits for, and what helps; empty: none")


class StacksAnswer(Standing):
    stacks: list[StackLine]


class DependencyLine(Shape):
    service: str = Field(examples=["auth"])
    condition: str = Field(examples=["started"])
    on_change: str = Field(description="none, restart or signal", examples=["none"])
    signal: str = Field(description="of on_change signal, else empty", examples=["SIGHUP"])


class BackoffLine(Shape):
    """A wait after failures, that is, so many since the wait was last the first one."""

    until: Seconds
    delay_seconds: float = Field(examples=[30.0])
    failures: int = Field(examples=[4])
    cause: str = Field(description="of the last failure", examples=["exit code 1 after 0.3 s"])


class RetryLine(Shape):
    """How an ended task is followed by another; `attempts` 0 is without end."""

    delay_seconds: float = Field(examples=[1.0])
    factor: float = Field(examples=[1.15])
    max_delay_seconds: float = Field(examples=[300.0])
    attempts: int = Field(examples=[0])
    window_seconds: float = Field(examples=[300.0])


class CauseLine(Shape):
    """Why slots are not filled. `is_final`: they were given up, and are not filled before somebody asks for it."""

    cause: str = Field(examples=["no offer has 4 cpus: the most is 2 on agent1"])
    slots: list[int] = Field(examples=[[2, 3]])
    until: Seconds | None
    is_final: bool
    is_unplaced: bool = Field(description="no agent fits; the cause counts them by the rule that they do not meet")
    backoff: BackoffLine | None


class ProgressLine(Shape):
    task: str = Field(examples=["shop.web.prod.0.12"])
    stage: str = Field(examples=["pulling"])
    done_bytes: int
    total_bytes: int


class LastEnd(Shape):
    """The task of the group that ended last."""

    task: str
    slot: int
    state: str = Field(examples=["FAILED"])
    message: str
    exit_code: int | None
    at: Seconds
    is_outdated: bool


class UnreachableLine(Shape):
    """What becomes of a task whose agent cannot be reached."""

    replace_after_seconds: float = Field(description="how long its slot waits for it", examples=[0.0])
    keep: str = Field(
        description="which of two stays when it is back: original or replacement", examples=["replacement"]
    )


class RolloutProgress(Shape):
    """How far a rollout is with a group: `changed` of `total` slots are as desired and ready."""

    number: int = Field(description="of the rollout", examples=[8])
    kind: str = Field(description="update, restart or rollback", examples=["update"])
    state: str = Field(description="running, paused, failed, done or aborted", examples=["running"])
    step: int = Field(description="the one of `steps` that it is in, from 1; 0: in none", examples=[2])
    steps: list[str] = Field(examples=[["25%", "pause", "100%"]])
    changed: int = Field(examples=[1])
    total: int = Field(examples=[4])
    failures: int = Field(description="new tasks that failed", examples=[0])
    most_failures: int = Field(description="with more than so many it fails", examples=[2])
    on_failure: str = Field(description="rollback, pause or continue", examples=["rollback"])
    problem: str = Field(description="why it failed; empty where it did not")
    cause: str = Field(description="what it waits for; empty once it is done")
    until: Seconds | None = Field(description="when that is over; null where no clock knows")
    deadline_at: Seconds | None = Field(description="when it fails, unless there is progress; null: not by time")


class AutoscaleLine(Shape):
    """A group that is scaled by its load. `wants` is how many that asks for, bounds aside; null before it was first
    measured."""

    min: int
    max: int
    targets: str = Field(examples=["2 to 10 tasks, cpu 60 %"])
    at: Seconds | None
    wants: int | None = Field(examples=[6])
    sentence: str = Field(examples=["from 4 to 6: cpu 90 % (target 60 %)"])


class ScalingLine(AutoscaleLine):
    group: str = Field(examples=["shop/web[prod]"])


class GroupLine(Shape):
    group: str = Field(examples=["shop/web[prod]"])
    stack: str = Field(examples=["shop"])
    service: str = Field(examples=["web"])
    labels: list[str] = Field(examples=[["prod"]])
    state: str = Field(examples=["waiting"])
    instances: int = Field(examples=[4])
    autoscale: AutoscaleLine | None = Field(description="null where its number is set by hand")
    wanted: int = Field(
        description="slots to be filled: instances; 0 while stopped; the agents on which a global group can run",
        examples=[4],
    )
    mode: str = Field(description="replicated or global", examples=["replicated"])
    rules: list[str] = Field(description="what it asks of agents", examples=[["hostname UNIQUE", "rack GROUP_BY 3"]])
    ready: int = Field(description="tasks of the desired version that are ready", examples=[3])
    live: int = Field(description="tasks that have not ended", examples=[4])
    outdated: int = Field(description="of these, the ones to be replaced", examples=[0])
    stopping: int = Field(
        description="of these, the ones that were told to stop and have not ended, without unreachable ones",
        examples=[0],
    )
    applying: int = Field(
        description="of these, the ones to which settings or a signal are being applied", examples=[0]
    )
    on_probation: int = Field(
        description="of these, the ones that serve as before and have not passed a check that was changed", examples=[0]
    )
    stall: str = Field(description="why replacing them does not go on now; empty where it does")
    awaited: str = Field(description="agents that a group waits for which shall have no task any more; empty: none")
    rollout: RolloutProgress | None = Field(description="null where no rollout changes it")
    failed: int = Field(description="slots whose task failed, and shall not be restarted", examples=[0])
    finished: int = Field(description="slots whose task finished", examples=[0])
    index: int = Field(description="of the stack", examples=[7])
    version: str = Field(examples=["3f2a9c1d0b7e"])
    generation: int = Field(description="raised by a restart")
    is_stopped: bool
    restart: str = Field(examples=["always"])
    unreachable: UnreachableLine
    retry: RetryLine
    image: str = Field(description="empty for a plain process", examples=["acme/web:1.4"])
    command: list[str] | None
    cpus: float = Field(examples=[0.5])
    mem_mib: int = Field(examples=[256])
    disk_mib: int
    gpus: int
    custom: dict[str, float | list[str]] = Field(examples=[{"bandwidth": 100.0}])
    depends_on: list[DependencyLine]
    states: dict[str, int] = Field(description="live tasks by state", examples=[{"RUNNING": 3, "STAGING": 1}])
    waiting: list[CauseLine]
    progress: list[ProgressLine]
    last_end: LastEnd | None


class GroupsAnswer(Standing):
    groups: list[GroupLine]


class StackAnswer(StackLine):
    """A stack with its groups; `definition` is what PUT takes."""

    at: Seconds
    connection: str
    problem: str
    group_lines: list[GroupLine]
    definition: dict[str, Any]


class PortLine(Shape):
    name: str = Field(examples=["http"])
    host_port: int = Field(examples=[31002])
    container_port: int | None = Field(examples=[8080])
    protocol: str | None = Field(examples=["tcp"])


class Stage(Shape):
    stage: str = Field(examples=["pulling"])
    done_bytes: int
    total_bytes: int


class TaskLine(Shape):
    id: str = Field(examples=["shop.web.prod.0.12"])
    group: str = Field(examples=["shop/web[prod]"])
    stack: str
    service: str
    labels: list[str]
    slot: int
    attempt: int
    state: str = Field(description="Mesos's, or INTENT before Mesos has answered", examples=["RUNNING"])
    health: str = Field(description="NONE (no check), UNKNOWN, HEALTHY or UNHEALTHY", examples=["HEALTHY"])
    readiness: str = Field(
        description="beside health: NONE (no readiness check, no post_start), UNKNOWN, READY or NOT_READY",
        examples=["READY"],
    )
    goal: str = Field(description="RUN or STOP", examples=["RUN"])
    is_ready: bool = Field(description="it runs, and neither health nor readiness says otherwise, or is_on_probation")
    is_outdated: bool
    is_applying: bool = Field(description="its executor has yet to say that it has its new settings, or a signal")
    is_on_probation: bool = Field(
        description="it was ready when a check was changed in place, serves on, and has not passed it"
    )
    waits: str = Field(description="why it is to go, and what that waits for; empty where it may stay")
    replaces: str = Field(description="the running task whose place it is to take; empty where there is none")
    agent_id: str
    agent: str = Field(description="its hostname", examples=["agent1"])
    address: str = Field(examples=["10.0.0.5"])
    ports: list[PortLine]
    endpoints: list[str] = Field(
        description="of the ports, in their order; none once it has ended", examples=[["10.0.0.5:31002"]]
    )
    addresses: list[str] = Field(description="of the container itself")
    version: str
    since: Seconds
    launched_at: Seconds | None
    running_since: Seconds | None
    ended_at: Seconds | None
    reason: str
    message: str
    exit_code: int | None
    permanent: str = Field(description="a word where trying again does not mend it", examples=["image-not-found"])
    failures: int = Field(description="tasks of the slot that failed in a row, up to this one")
    stop_cause: str
    executor_id: str
    container_id: str
    progress: Stage | None
    held_up: str = Field(description="what keeps the agent from answering, where it owes an answer; mostly empty")


class WaitingLine(Shape):
    """A slot without a task."""

    group: str
    stack: str
    service: str
    labels: list[str]
    slot: int
    cause: str
    until: Seconds | None
    is_final: bool = Field(description="it was given up, and is not filled before somebody asks for it")
    is_unplaced: bool = Field(description="no agent fits; the cause counts them by the rule that they do not meet")
    backoff: BackoffLine | None


class TasksAnswer(Standing):
    tasks: list[TaskLine]
    waiting: list[WaitingLine]
    scaling: list[ScalingLine] = Field(description="groups that are scaled by their load")


class Requested(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Because(Requested):
    """Who asks, and why: for those who look later."""

    message: str = Field(default="", max_length=500, examples=["the sale begins"])
    by: str = Field(default="", max_length=200, examples=["anna@desk"])


class PatternBody(Because):
    pattern: str = Field(
        min_length=1,
        max_length=500,
        description="stack, stack/service or stack/service[label,label]; * and ? stand for anything",
        examples=["shop/web[dev]"],
    )


class KillBody(Because):
    """Tasks by their ids, or the numbers at their ends."""

    tasks: list[Annotated[str, Field(min_length=1, max_length=300)]] = Field(
        min_length=1, max_length=1000, examples=[["shop.web.prod.0.12"]]
    )
    scale: bool = Field(default=False, description="their slots are given up: the groups have so many fewer instances")


class QuestionLine(Shape):
    """What is not done before an operator approves it, and `effect`: what happens then."""

    question: str = Field(description="strangers or missing", examples=["strangers"])
    number: int = Field(description="of tasks", examples=[37])
    sentence: str
    effect: str = Field(examples=["they are stopped"])
    tasks: list[str] = Field(examples=[["shop.web.prod.0.12"]])


class QuestionsAnswer(Standing):
    questions: list[QuestionLine]


class ApproveBody(Requested):
    """Which question, and the number of tasks that it was about when it was read."""

    question: Literal["strangers", "missing"]
    number: int = Field(ge=1, le=1_000_000, strict=True, examples=[37])


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
