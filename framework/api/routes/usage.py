"""What tasks use, as the executors on their agents tell it when they are asked."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from framework.api.answers import picture
from framework.api.answers.base import Json
from framework.api.answers.usage_shapes import UsageAnswer
from framework.api.guard.rights import OPEN
from framework.api.routes.asking import known
from framework.api.routes.tasks import Pattern
from framework.api.threads import Threads
from framework.collector import executor_of
from framework.core.model import Task
from framework.core.views import GroupView
from framework.ports import Front
from framework.usage import Executor, Figures, Pulled, Usage
from specs.states import TaskState

Running = list[tuple[GroupView, Task]]


def router(front: Front, usage: Usage) -> APIRouter:
    """The route over `front`; executors are asked by `usage`, for at most a few requests at a time."""
    routes = APIRouter(prefix="/v1", tags=["tasks"])
    threads = Threads()

    @routes.get("/usage", responses={200: {"model": UsageAnswer}}, dependencies=[OPEN])
    async def used(pattern: Pattern = "") -> Response:
        """What the running tasks of the groups that match use. Executors are asked when this is: their figures are some
        seconds old. Those that did not answer are named, and their tasks are left out."""
        view = known(front)
        running = [
            (group, task)
            for group in picture.groups_of(view, pattern)
            for task in group.tasks
            if task.state is TaskState.RUNNING
        ]
        asked = tuple(dict.fromkeys(executor_of(task) for _, task in running))
        pulled = await threads.run(usage.pull, asked)
        return Json({**picture.standing(view), "tasks": _lines(running, pulled), "silent": _silent(running, pulled)})

    return routes


def _lines(running: Running, pulled: Pulled) -> list[dict[str, Any]]:
    return [
        _line(group, task, figures) for group, task in running if (figures := pulled.figures.get(task.id)) is not None
    ]


def _line(group: GroupView, task: Task, figures: Figures) -> dict[str, Any]:
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


def _silent(running: Running, pulled: Pulled) -> list[dict[str, Any]]:
    """The agents of which no figures came, with the number of tasks that this leaves out."""
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
