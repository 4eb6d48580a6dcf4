"""Routes that show groups and tasks."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from framework.api.answers.base import Json
from framework.api.answers.groups import GroupsAnswer, groups_answer
from framework.api.answers.tasks import (
    EndpointsAnswer,
    TaskLine,
    TasksAnswer,
    endpoints_answer,
    task_line,
    tasks_answer,
)
from framework.api.guard.rights import OPEN
from framework.api.routes.asking import known
from framework.api.routes.lookup import groups_of, task_or_problem
from framework.ports import Front

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
        return Json(groups_answer(view, groups_of(view, pattern)))

    @routes.get("/tasks", tags=["tasks"], responses={200: {"model": TasksAnswer}}, dependencies=[OPEN])
    async def tasks(
        pattern: Pattern = "",
        all: Annotated[bool, Query(description="with the ones that ended, as far as they are kept")] = False,  # noqa: A002
    ) -> Response:
        """The live tasks of the groups that match, and the slots without one."""
        view = known(front)
        return Json(tasks_answer(view, tuple(groups_of(view, pattern)), with_ended=all))

    @routes.get("/endpoints", tags=["tasks"], responses={200: {"model": EndpointsAnswer}}, dependencies=[OPEN])
    async def endpoints(pattern: Pattern = "") -> Response:
        """Where the tasks that are ready can be reached, of the groups that match."""
        view = known(front)
        return Json(endpoints_answer(view, groups_of(view, pattern)))

    @routes.get("/tasks/{task_id}", tags=["tasks"], responses={200: {"model": TaskLine}}, dependencies=[OPEN])
    async def task(task_id: TaskName) -> Response:
        """A task, live or ended."""
        view = known(front)
        group, found = task_or_problem(view, task_id)
        return Json(task_line(view, group, found))

    return routes
