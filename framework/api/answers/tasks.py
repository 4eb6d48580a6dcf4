"""Answers about tasks: where one can be reached, all that is known of it, slots without one, its story, its log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import Field

from framework.api.answers.base import Seconds, Shape, Standing, standing
from framework.api.answers.groups import BackoffLine, ScalingLine, Stage, backoff_line, scaling_lines, stage
from framework.core.model import Task
from framework.core.state.task_stories import whole_story
from framework.core.views import GroupView, View
from placement.agent import AgentState
from specs.ids import is_same_container
from specs.states import Goal, TaskState

_UNANSWERED = frozenset({TaskState.INTENT, TaskState.STAGING, TaskState.STARTING, TaskState.KILLING})
"""States in which the agent owes an answer."""


class PortLine(Shape):
    name: Annotated[str, Field(examples=["http"])]
    host_port: Annotated[int, Field(examples=[31002])]
    container_port: Annotated[int | None, Field(examples=[8080])]
    protocol: Annotated[str | None, Field(examples=["tcp"])]


class EndpointLine(Shape):
    """The addresses of a task."""

    id: Annotated[str, Field(description="of the task", examples=["shop.web.prod.0.12"])]
    group: Annotated[str, Field(examples=["shop/web[prod]"])]
    stack: str
    service: str
    labels: list[str]
    slot: int
    version: str
    agent: Annotated[str, Field(description="its hostname", examples=["agent1"])]
    address: Annotated[str, Field(examples=["10.0.0.5"])]
    ports: list[PortLine]
    endpoints: Annotated[
        list[str],
        Field(description="of the ports, in their order; none once it has ended", examples=[["10.0.0.5:31002"]]),
    ]
    addresses: Annotated[list[str], Field(description="of the container itself")]


class EndpointsAnswer(Standing):
    endpoints: Annotated[list[EndpointLine], Field(description="of tasks that are ready")]


class TaskLine(EndpointLine):
    """A task, live or ended."""

    attempt: int
    state: Annotated[str, Field(description="Mesos's, or INTENT before Mesos has answered", examples=["RUNNING"])]
    health: Annotated[str, Field(description="NONE (no check), UNKNOWN, HEALTHY or UNHEALTHY", examples=["HEALTHY"])]
    readiness: Annotated[
        str,
        Field(
            description="beside health: NONE (no readiness check, no post_start), UNKNOWN, READY or NOT_READY",
            examples=["READY"],
        ),
    ]
    goal: Annotated[str, Field(description="RUN or STOP", examples=["RUN"])]
    is_ready: Annotated[
        bool, Field(description="it runs, and neither health nor readiness says otherwise, or is_on_probation")
    ]
    is_outdated: bool
    is_applying: Annotated[
        bool, Field(description="its executor has yet to say that it has its new settings, or a signal")
    ]
    is_on_probation: Annotated[
        bool, Field(description="it was ready when a check was changed in place, serves on, and has not passed it")
    ]
    waits: Annotated[str, Field(description="why it is to go, and what that waits for; empty where it may stay")]
    replaces: Annotated[str, Field(description="the running task whose place it is to take; empty where there is none")]
    agent_id: str
    since: Seconds
    launched_at: Seconds | None
    running_since: Seconds | None
    ended_at: Seconds | None
    reason: str
    message: str
    exit_code: int | None
    permanent: Annotated[
        str, Field(description="a word where trying again does not mend it", examples=["image-not-found"])
    ]
    failures: Annotated[int, Field(description="tasks of the slot that failed in a row, up to this one")]
    stop_cause: str
    executor_id: str
    container_id: str
    progress: Stage | None
    held_up: Annotated[
        str, Field(description="what keeps the agent from answering, where it owes an answer; mostly empty")
    ]


class WaitingLine(Shape):
    """A slot without a task."""

    group: str
    stack: str
    service: str
    labels: list[str]
    slot: int
    cause: str
    until: Seconds | None
    is_final: Annotated[bool, Field(description="it was given up, and is not filled before somebody asks for it")]
    is_unplaced: Annotated[
        bool, Field(description="no agent fits; the cause counts them by the rule that they do not meet")
    ]
    backoff: BackoffLine | None


class TasksAnswer(Standing):
    tasks: list[TaskLine]
    waiting: list[WaitingLine]
    scaling: Annotated[list[ScalingLine], Field(description="groups that are scaled by their load")]


class StoryEntry(Shape):
    at: Seconds
    kind: Annotated[str, Field(examples=["TaskRunning"])]
    text: Annotated[str, Field(examples=["shop.web.prod.0.12 runs on agent1"])]


class StoryAnswer(Shape):
    """The story of a task, oldest first; entries before `seen_since` come from the store."""

    task: str
    seen_since: Annotated[Seconds | None, Field(description="null where this leader has seen nothing of it yet")]
    entries: list[StoryEntry]


class LogAnswer(Shape):
    """A piece of a log. Bytes that are not UTF-8 are shown as U+FFFD, and as they are with `encoding=base64`;
    `next_offset` is where to go on."""

    task: str
    stream: Annotated[str, Field(examples=["stdout"])]
    offset: Annotated[int, Field(examples=[0])]
    next_offset: Annotated[int, Field(examples=[512])]
    encoding: Annotated[str, Field(examples=["utf-8"])]
    data: str


class ExecAnswer(Shape):
    """An open session: `/v1/exec/{key}/output` is to be read, `/v1/exec/{key}/input` takes what goes in."""

    task: Annotated[str, Field(examples=["shop.web.prod.0.12"])]
    key: str


def tasks_answer(view: View, groups: tuple[GroupView, ...], *, with_ended: bool) -> TasksAnswer:
    """The tasks of these groups, and their slots without one."""
    tasks: list[TaskLine] = [
        task_line(view, group, task)
        for group in groups
        for task in (*group.tasks, *(group.ended if with_ended else ()))
    ]
    waiting = [line for group in groups for line in _waiting_lines(group)]
    return {**standing(view), "tasks": tasks, "waiting": waiting, "scaling": scaling_lines(groups)}


def endpoints_answer(view: View, groups: Iterable[GroupView]) -> EndpointsAnswer:
    """The tasks of these groups that are ready and stay."""
    lines = [
        endpoint_line(group, task)
        for group in groups
        for task in group.tasks
        if task.is_ready and task.goal is Goal.RUN
    ]
    return {**standing(view), "endpoints": lines}


def story_answer(group: GroupView, task: Task) -> StoryAnswer:
    """The events of a task, oldest first."""
    seen = group.stories.get(task.id, ())
    return {
        "task": task.id,
        "seen_since": seen[0].at if seen else None,
        "entries": [{"at": entry.at, "kind": entry.kind, "text": entry.text} for entry in whole_story(task, seen)],
    }


def task_line(view: View, group: GroupView, task: Task) -> TaskLine:
    """A task with everything that is known of it."""
    progress = view.progress.get(task.id)
    return {
        **endpoint_line(group, task),
        "attempt": task.attempt,
        "state": task.state.value,
        "health": task.health.value,
        "readiness": task.readiness.value,
        "goal": task.goal.value,
        "is_ready": task.is_ready,
        "is_outdated": group.is_outdated(task),
        "is_applying": group.is_applying(task),
        "is_on_probation": task.is_on_probation and task.is_ready,
        "replaces": task.beside or "",
        "agent_id": task.agent_id,
        "since": task.state_since,
        "launched_at": task.launched_at or None,
        "running_since": task.running_since or None,
        "ended_at": task.ended_at or None,
        "reason": task.reason,
        "message": task.message,
        "exit_code": task.exit_code,
        "permanent": task.permanent,
        "failures": task.failures,
        "stop_cause": task.stop_cause,
        "waits": group.waits.get(task.id, ""),
        "executor_id": task.executor_id,
        "container_id": task.container_id,
        "progress": stage(progress) if progress else None,
        "held_up": _held_up(view, task),
    }


def endpoint_line(group: GroupView, task: Task) -> EndpointLine:
    """The addresses of a task."""
    return {
        "id": task.id,
        "group": str(task.group),
        "stack": task.group.stack,
        "service": task.group.service,
        "labels": list(task.group.labels),
        "slot": task.slot,
        "version": task.version,
        "agent": task.hostname,
        "address": task.address,
        "ports": list(_port_lines(group, task)),
        "endpoints": [] if task.state.is_terminal else [_endpoint(task, port) for port in task.host_ports],
        "addresses": list(task.addresses),
    }


def _waiting_lines(group: GroupView) -> Iterator[WaitingLine]:
    """The slots of a group that are not filled, and why."""
    for waiting in group.waiting:
        yield {
            "group": str(group.spec.id),
            "stack": group.spec.id.stack,
            "service": group.spec.id.service,
            "labels": list(group.spec.id.labels),
            "slot": waiting.slot,
            "cause": waiting.cause,
            "until": waiting.until or None,
            "is_final": waiting.is_final,
            "is_unplaced": waiting.is_unplaced,
            "backoff": backoff_line(waiting.backoff),
        }


def _held_up(view: View, task: Task) -> str:
    """The reason why the agent does not answer where it owes an answer; "" where none is known."""
    if task.state not in _UNANSWERED or task.agent_id is None:
        return ""
    there = view.agents.get(task.agent_id)
    if there is not None and there.agent.state is not AgentState.DISCONNECTED:
        return ""
    why = "is disconnected" if there else "is not registered with the master"
    return f"agent {task.hostname or task.agent_id} {why}: nothing happens before it is back"


def _endpoint(task: Task, port: int) -> str:
    return f"[{task.address}]:{port}" if ":" in task.address else f"{task.address}:{port}"


def _port_lines(group: GroupView, task: Task) -> Iterator[PortLine]:
    ports = group.container.ports if is_same_container(task.version, group.spec.version) else ()
    for position, host_port in enumerate(task.host_ports):
        port = ports[position] if position < len(ports) else None
        yield {
            "name": port.name if port else f"port{position}",
            "host_port": host_port,
            "container_port": (port.container_port or host_port) if port else None,
            "protocol": port.protocol.value if port else None,
        }
