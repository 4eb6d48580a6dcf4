"""Answers about groups: their settings, how far they are, and why they are not further."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import Field

from framework.api.answers.amounts import CustomAmounts, custom_amounts
from framework.api.answers.base import Seconds, Shape, Standing, standing
from framework.api.answers.rollouts import RolloutProgress, rollout_progress
from framework.core.model import Backoff, Task
from framework.core.read.gone_agents import why_not_over
from framework.core.views import GroupView, View, Waiting
from framework.core.volatile import Progress, Scaling
from specs.model.autoscale import Autoscale
from specs.model.constraints import Rules, Strategy
from specs.model.stack import Dependency, Restart, Retry, Unreachable
from specs.states import Goal, TaskState


class DependencyLine(Shape):
    service: Annotated[str, Field(examples=["auth"])]
    condition: Annotated[str, Field(examples=["started"])]
    on_change: Annotated[str, Field(description="none, restart or signal", examples=["none"])]
    signal: Annotated[str, Field(description="of on_change signal, else empty", examples=["SIGHUP"])]


class BackoffLine(Shape):
    """A wait after failures, that is, so many since the wait was last the first one."""

    until: Seconds
    delay_seconds: Annotated[float, Field(examples=[30.0])]
    failures: Annotated[int, Field(examples=[4])]
    cause: Annotated[str, Field(description="of the last failure", examples=["exit code 1 after 0.3 s"])]


class RetryLine(Shape):
    """How an ended task is followed by another; `attempts` 0 is without end."""

    delay_seconds: Annotated[float, Field(examples=[1.0])]
    factor: Annotated[float, Field(examples=[1.15])]
    max_delay_seconds: Annotated[float, Field(examples=[300.0])]
    attempts: Annotated[int, Field(examples=[0])]
    window_seconds: Annotated[float, Field(examples=[300.0])]


class CauseLine(Shape):
    """Why slots are not filled. `is_final`: they were given up, and are not filled before somebody asks for it."""

    cause: Annotated[str, Field(examples=["no offer has 4 cpus: the most is 2 on agent1"])]
    slots: Annotated[list[int], Field(examples=[[2, 3]])]
    until: Seconds | None
    is_final: bool
    is_unplaced: Annotated[
        bool, Field(description="no agent fits; the cause counts them by the rule that they do not meet")
    ]
    backoff: BackoffLine | None


class Stage(Shape):
    """How far the launch of a task is."""

    stage: Annotated[str, Field(examples=["pulling"])]
    done_bytes: int
    total_bytes: int


class ProgressLine(Stage):
    task: Annotated[str, Field(examples=["shop.web.prod.0.12"])]


class LastEnd(Shape):
    """The task of the group that ended last."""

    task: str
    slot: int
    state: Annotated[str, Field(examples=["FAILED"])]
    message: str
    exit_code: int | None
    at: Seconds
    is_outdated: bool


class UnreachableLine(Shape):
    """The treatment of a task whose agent cannot be reached."""

    replace_after_seconds: Annotated[float, Field(description="how long its slot waits for it", examples=[0.0])]
    keep: Annotated[
        str, Field(description="which of two stays when it is back: original or replacement", examples=["replacement"])
    ]


class AutoscaleLine(Shape):
    """A group that is scaled by its load. `wants` is how many that asks for, bounds aside; null before it was first
    measured."""

    min: int
    max: int
    targets: Annotated[str, Field(examples=["2 to 10 tasks, cpu 60 %"])]
    at: Seconds | None
    wants: Annotated[int | None, Field(examples=[6])]
    sentence: Annotated[str, Field(examples=["from 4 to 6: cpu 90 % (target 60 %)"])]


class ScalingLine(AutoscaleLine):
    group: Annotated[str, Field(examples=["shop/web[prod]"])]


class GroupLine(Shape):
    """A group without its tasks."""

    group: Annotated[str, Field(examples=["shop/web[prod]"])]
    stack: Annotated[str, Field(examples=["shop"])]
    service: Annotated[str, Field(examples=["web"])]
    labels: Annotated[list[str], Field(examples=[["prod"]])]
    state: Annotated[str, Field(examples=["waiting"])]
    instances: Annotated[int, Field(examples=[4])]
    autoscale: Annotated[AutoscaleLine | None, Field(description="null where its number is set by hand")]
    wanted: Annotated[
        int,
        Field(
            description="slots to be filled: instances; 0 while stopped; the agents on which a global group can run",
            examples=[4],
        ),
    ]
    mode: Annotated[str, Field(description="replicated or global", examples=["replicated"])]
    rules: Annotated[
        list[str], Field(description="what it asks of agents", examples=[["hostname UNIQUE", "rack GROUP_BY 3"]])
    ]
    ready: Annotated[int, Field(description="tasks of the desired version that are ready", examples=[3])]
    live: Annotated[int, Field(description="tasks that have not ended", examples=[4])]
    outdated: Annotated[int, Field(description="of these, the ones to be replaced", examples=[0])]
    stopping: Annotated[
        int,
        Field(
            description="of these, the ones that were told to stop and have not ended, without unreachable ones",
            examples=[0],
        ),
    ]
    applying: Annotated[
        int, Field(description="of these, the ones to which settings or a signal are being applied", examples=[0])
    ]
    on_probation: Annotated[
        int,
        Field(
            description="of these, the ones that serve as before and have not passed a check that was changed",
            examples=[0],
        ),
    ]
    stall: Annotated[str, Field(description="why replacing them does not go on now; empty where it does")]
    awaited: Annotated[
        str, Field(description="agents that a group waits for which shall have no task any more; empty: none")
    ]
    rollout: Annotated[RolloutProgress | None, Field(description="null where no rollout changes it")]
    failed: Annotated[int, Field(description="slots whose task failed, and shall not be restarted", examples=[0])]
    finished: Annotated[int, Field(description="slots whose task finished", examples=[0])]
    index: Annotated[int, Field(description="of the stack", examples=[7])]
    version: Annotated[str, Field(examples=["3f2a9c1d0b7e"])]
    generation: Annotated[int, Field(description="raised by a restart")]
    is_stopped: bool
    restart: Annotated[str, Field(examples=["always"])]
    unreachable: UnreachableLine
    retry: RetryLine
    image: Annotated[str, Field(description="empty for a plain process", examples=["acme/web:1.4"])]
    command: list[str] | None
    cpus: Annotated[float, Field(examples=[0.5])]
    mem_mib: Annotated[int, Field(examples=[256])]
    disk_mib: int
    gpus: int
    custom: Annotated[CustomAmounts, Field(examples=[{"bandwidth": 100.0}])]
    depends_on: list[DependencyLine]
    states: Annotated[dict[str, int], Field(description="live tasks by state", examples=[{"RUNNING": 3, "STAGING": 1}])]
    waiting: list[CauseLine]
    progress: list[ProgressLine]
    last_end: LastEnd | None


class GroupsAnswer(Standing):
    groups: list[GroupLine]


def groups_answer(view: View, groups: Iterable[GroupView]) -> GroupsAnswer:
    """These groups."""
    return {**standing(view), "groups": [group_line(view, group) for group in groups]}


def group_line(view: View, group: GroupView) -> GroupLine:
    """A group without its tasks: small however many tasks there are, because a client that waits reads it often."""
    spec = group.spec
    return {
        "group": str(spec.id),
        "stack": spec.id.stack,
        "service": spec.id.service,
        "labels": list(spec.id.labels),
        "state": group.state.value,
        "instances": spec.instances,
        "autoscale": _autoscale_line(spec.autoscale, group.scaling) if spec.autoscale else None,
        "wanted": group.wanted,
        "mode": spec.mode.value,
        "rules": list(rules_texts(spec.rules)),
        "ready": group.ready,
        "live": len(group.tasks),
        "outdated": group.outdated,
        "stopping": group.stopping,
        "applying": group.applying,
        "on_probation": group.on_probation,
        "stall": group.stall,
        "awaited": why_not_over(group),
        "rollout": rollout_progress(group.progress) if group.progress else None,
        "index": view.stacks[spec.id.stack].spec.index,
        "version": spec.version,
        "generation": spec.generation,
        "is_stopped": spec.is_stopped,
        "restart": spec.restart.value,
        "unreachable": _unreachable_line(spec.unreachable),
        "retry": _retry_line(spec.retry),
        "image": group.container.image,
        "command": list(group.container.command) if group.container.command is not None else None,
        "cpus": group.resources.cpus_milli / 1000,
        "mem_mib": group.resources.mem_mib,
        "disk_mib": group.resources.disk_mib,
        "gpus": group.resources.gpus,
        "custom": custom_amounts(group.resources),
        "depends_on": [_dependency_line(dependency) for dependency in spec.dependencies],
        "states": dict(group.states),
        "waiting": _causes(group),
        "progress": list(_progress_lines(view, group.tasks)),
        "last_end": _last_end(group),
        "failed": _failed(group),
        "finished": len({task.slot for task in group.ended if task.state is TaskState.FINISHED}),
    }


def scaling_lines(groups: Iterable[GroupView]) -> list[ScalingLine]:
    """The groups that are scaled by their load, each with the last decision about its number."""
    return [
        {"group": str(group.spec.id), **_autoscale_line(group.spec.autoscale, group.scaling)}
        for group in groups
        if group.spec.autoscale and not group.spec.is_stopped
    ]


def backoff_line(backoff: Backoff | None) -> BackoffLine | None:
    """A wait after failures."""
    if backoff is None:
        return None
    return {
        "until": backoff.until,
        "delay_seconds": backoff.delay_seconds,
        "failures": backoff.failures,
        "cause": backoff.cause,
    }


def stage(progress: Progress) -> Stage:
    """The stage of a launch."""
    return {"stage": progress.stage, "done_bytes": progress.done_bytes, "total_bytes": progress.total_bytes}


def rules_texts(rules: Rules) -> Iterator[str]:
    """The rules of a group about agents, a text for each rule, as one can write it in a stack file."""
    yield from (str(rule) for rule in rules.constraints)
    yield from (f"{spread}{_weight(spread.weight)}" for spread in rules.spread)
    yield from (f"near {neighbour}{_weight(neighbour.weight)}" for neighbour in rules.near)
    yield from (f"apart from {neighbour}{_weight(neighbour.weight)}" for neighbour in rules.apart)
    yield from (f"prefer {preference.rule}{_weight(preference.weight)}" for preference in rules.prefer)
    if rules.strategy is not Strategy.SPREAD:
        yield f"strategy {rules.strategy.value}"
    if rules.sticky:
        yield "sticky"


def _weight(weight: int) -> str:
    return f" ({weight:+d} points)" if weight else ""


def _autoscale_line(bounds: Autoscale, scaling: Scaling | None) -> AutoscaleLine:
    return {
        "min": bounds.min,
        "max": bounds.max,
        "targets": str(bounds),
        "at": scaling.at if scaling else None,
        "wants": scaling.wants if scaling else None,
        "sentence": scaling.sentence if scaling else "was not measured yet",
    }


def _unreachable_line(unreachable: Unreachable) -> UnreachableLine:
    return {"replace_after_seconds": unreachable.replace_after_seconds, "keep": unreachable.keep.value}


def _retry_line(retry: Retry) -> RetryLine:
    return {
        "delay_seconds": retry.delay_seconds,
        "factor": retry.factor,
        "max_delay_seconds": retry.max_delay_seconds,
        "attempts": retry.attempts,
        "window_seconds": retry.window_seconds,
    }


def _dependency_line(dependency: Dependency) -> DependencyLine:
    return {
        "service": dependency.service,
        "condition": dependency.condition.value,
        "on_change": dependency.on_change.value,
        "signal": dependency.signal,
    }


def _causes(group: GroupView) -> list[CauseLine]:
    """Unfilled slots by cause: hundreds of slots mostly wait for one thing."""
    slots: dict[str, list[Waiting]] = {}
    for waiting in group.waiting:
        slots.setdefault(waiting.cause, []).append(waiting)
    return [
        {
            "cause": cause,
            "slots": [one.slot for one in alike],
            "until": min((one.until for one in alike if one.until), default=None),
            "is_final": alike[0].is_final,
            "is_unplaced": alike[0].is_unplaced,
            "backoff": backoff_line(alike[0].backoff),
        }
        for cause, alike in slots.items()
    ]


def _progress_lines(view: View, tasks: Iterable[Task]) -> Iterator[ProgressLine]:
    for task in tasks:
        progress = view.progress.get(task.id)
        if progress:
            yield {"task": task.id, **stage(progress)}


def _failed(group: GroupView) -> int:
    """The number of slots that failed for good: their last task did not finish, and no other follows."""
    given_up = sum(waiting.is_final for waiting in group.waiting)
    if group.spec.restart is Restart.ALWAYS:
        return given_up
    pending = {task.slot for task in group.tasks} | {waiting.slot for waiting in group.waiting}
    last: dict[int, Task] = {}
    for task in group.ended:
        if task.slot not in pending and not group.is_outdated(task):
            last.setdefault(task.slot, task)
    return given_up + sum(task.state is not TaskState.FINISHED and task.goal is Goal.RUN for task in last.values())


def _last_end(group: GroupView) -> LastEnd | None:
    if not group.ended:
        return None
    task = group.ended[0]
    return {
        "task": task.id,
        "slot": task.slot,
        "state": task.state.value,
        "message": task.message or task.reason,
        "exit_code": task.exit_code,
        "at": task.ended_at or task.state_since,
        "is_outdated": group.is_outdated(task),
    }
