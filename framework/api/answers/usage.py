"""Answers about what tasks use, and where Prometheus finds more."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from framework.api.answers.base import Shape, Standing, standing
from framework.collector import executor_of
from framework.core.model import Task
from framework.core.views import GroupView, View
from framework.usage import Executor, Figures, Pulled

Running = list[tuple[GroupView, Task]]
"""Running tasks, each with its group."""


class UsageLine(Shape):
    """The usage of a task. A figure that was not measured is null, and so is a missing limit. Network and block devices
    count from the start of the task."""

    task: Annotated[str, Field(examples=["shop.web.prod.0.12"])]
    group: Annotated[str, Field(examples=["shop/web[prod]"])]
    slot: int
    agent: Annotated[str, Field(examples=["agent1"])]
    agent_id: str
    cpus: Annotated[float | None, Field(description="the mean of some seconds", examples=[0.25])]
    cpus_wanted: Annotated[float, Field(description="what its group asks for", examples=[0.5])]
    cpus_limit: float | None
    mem_bytes: int | None
    mem_wanted_bytes: int
    mem_limit_bytes: int | None
    net_rx_bytes: int | None
    net_tx_bytes: int | None
    block_read_bytes: int | None
    block_write_bytes: int | None
    oom_kills: int
    metrics: Annotated[
        dict[str, float], Field(description="of the application itself", examples=[{"requests_in_flight": 12.0}])
    ]


class SilentLine(Shape):
    """An executor that told nothing, and how many running tasks are left out for that."""

    agent: str
    agent_id: str
    executor_id: str
    tasks: int
    why: Annotated[str, Field(examples=["it has not announced where it answers"])]


class UsageAnswer(Standing):
    tasks: list[UsageLine]
    silent: list[SilentLine]


class TargetGroup(Shape):
    """Addresses with the labels that all their metrics get, as Prometheus's http_sd wants them."""

    targets: Annotated[list[str], Field(examples=[["10.0.0.11:31999"]])]
    labels: Annotated[dict[str, str], Field(examples=[{"job": "framework-executors", "agent": "agent1"}])]


def usage_answer(view: View, running: Running, pulled: Pulled) -> UsageAnswer:
    """The use of the tasks whose executors answered, and the executors that did not."""
    lines = [
        _usage_line(group, task, figures)
        for group, task in running
        if (figures := pulled.figures.get(task.id)) is not None
    ]
    return {**standing(view), "tasks": lines, "silent": _silent_lines(running, pulled)}


def target_group(address: str, **labels: str) -> TargetGroup:
    """One address with its labels."""
    return {"targets": [address], "labels": labels}


def _usage_line(group: GroupView, task: Task, figures: Figures) -> UsageLine:
    return {
        "task": task.id,
        "group": str(task.group),
        "slot": task.slot,
        "agent": task.hostname,
        "agent_id": task.agent_id,
        "cpus": figures.cpus,
        "cpus_wanted": group.resources.cpus_milli / 1000,
        "cpus_limit": figures.cpus_limit,
        "mem_bytes": figures.mem_bytes,
        "mem_wanted_bytes": group.resources.mem_mib << 20,
        "mem_limit_bytes": figures.mem_limit_bytes,
        "net_rx_bytes": figures.net_rx_bytes,
        "net_tx_bytes": figures.net_tx_bytes,
        "block_read_bytes": figures.block_read_bytes,
        "block_write_bytes": figures.block_write_bytes,
        "oom_kills": figures.oom_kills,
        "metrics": dict(figures.metrics),
    }


def _silent_lines(running: Running, pulled: Pulled) -> list[SilentLine]:
    """The executors that sent no figures, with the number of tasks that this leaves out."""
    counts: dict[Executor, int] = {}
    names: dict[Executor, str] = {}
    for _, task in running:
        key = executor_of(task)
        if key in pulled.silent:
            counts[key] = counts.get(key, 0) + 1
            names[key] = task.hostname
    return [
        {
            "agent": names[key],
            "agent_id": key[0],
            "executor_id": key[1],
            "tasks": counts[key],
            "why": pulled.silent[key],
        }
        for key in sorted(counts, key=lambda each: (names[each], each))
    ]
