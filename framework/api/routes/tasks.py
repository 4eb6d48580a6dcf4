"""Routes that show groups and tasks."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from framework.api.answers import picture
from framework.api.answers.base import Json
from framework.api.answers.endpoint_shapes import EndpointsAnswer
from framework.api.answers.shapes import GroupsAnswer, TaskLine, TasksAnswer
from framework.api.errors import Problem
from framework.api.guard.rights import OPEN
from framework.api.routes.asking import known
from framework.core.model import Task
from framework.core.views import GroupView, View
from framework.ports import Front
from specs.states import Goal

Pattern = Annotated[
    str, Query(max_length=500, description="stack, stack/service or stack/service[label,…]", examples=["shop/web[dev]"])
]
TaskName = Annotated[str, Path(description="id of the task, or the number at its end", examples=["shop.web.prod.0.12"])]


def router(front: Front) -> APIRouter:
    """The routes over `front`."""
    routes = APIRouter(prefix="/v1")

    @routes.get("/groups", tags=["groups"], responses={200: {"model": GroupsAnswer}}, dependencies=[OPEN])
    async def groups(pattern: Pattern = "") -> Response:
        """The groups that match, and what they wait for."""
        view = known(front)
        lines = [picture.group_plain(view, group) for group in picture.groups_of(view, pattern)]
        return Json({**picture.standing(view), "groups": lines})

    @routes.get("/tasks", tags=["tasks"], responses={200: {"model": TasksAnswer}}, dependencies=[OPEN])
    async def tasks(
        pattern: Pattern = "",
        all: Annotated[bool, Query(description="with the ones that ended, as far as they are kept")] = False,  # noqa: A002
    ) -> Response:
        """The live tasks of the groups that match, and the slots without one."""
        view = known(front)
        found = tuple(picture.groups_of(view, pattern))
        return Json(
            {
                **picture.standing(view),
                "tasks": [
                    picture.task_plain(view, group, task)
                    for group in found
                    for task in (*group.tasks, *(group.ended if all else ()))
                ],
                "waiting": [waiting for group in found for waiting in picture.waiting_plain(group)],
                "scaling": picture.scaling_plain(found),
            }
        )

    @routes.get("/endpoints", tags=["tasks"], responses={200: {"model": EndpointsAnswer}}, dependencies=[OPEN])
    async def endpoints(pattern: Pattern = "") -> Response:
        """Where the tasks that are ready can be reached, of the groups that match."""
        view = known(front)
        lines = [
            picture.endpoint_plain(group, task)
            for group in picture.groups_of(view, pattern)
            for task in group.tasks
            if task.is_ready and task.goal is Goal.RUN
        ]
        return Json({**picture.standing(view), "endpoints": lines})

    @routes.get("/tasks/{task_id}", tags=["tasks"], responses={200: {"model": TaskLine}}, dependencies=[OPEN])
    async def task(task_id: TaskName) -> Response:
        """A task, live or ended."""
        view = known(front)
        group, found = task_or_problem(view, task_id)
        return Json(picture.task_plain(view, group, found))

    return routes


def task_or_problem(view: View, task_id: str) -> tuple[GroupView, Task]:
    """The task with this id; raises Problem where there is none."""
    found = picture.find_task(view, task_id)
    if found is None:
        raise Problem(
            404,
            f"There is no task {task_id[:200]}, and none that ended lately. `framework ps -a` lists what there is.",
        )
    return found
