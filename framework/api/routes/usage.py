"""The route of usage: executors are asked when it is called."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from framework.api.answers.base import Json
from framework.api.answers.usage import UsageAnswer, usage_answer
from framework.api.guard.rights import OPEN
from framework.api.routes.asking import known
from framework.api.routes.lookup import groups_of
from framework.api.routes.tasks import Pattern
from framework.api.threads import Threads
from framework.collector import executor_of
from framework.ports import Front
from framework.usage import Usage
from specs.states import TaskState


def router(front: Front, usage: Usage) -> APIRouter:
    """The route over `front`; executors are asked by `usage`, for at most a few requests at a time."""
    routes = APIRouter(prefix="/v1", tags=["tasks"])
    threads = Threads()

    @routes.get("/usage", responses={200: {"model": UsageAnswer}}, dependencies=[OPEN])
    async def used(pattern: Pattern = "") -> Response:
        """The usage of the running tasks of matching groups. Executors are asked during the request: their figures are
        some seconds old. Those without an answer are named, and their tasks are left out."""
        view = known(front)
        running = [
            (group, task)
            for group in groups_of(view, pattern)
            for task in group.tasks
            if task.state is TaskState.RUNNING
        ]
        asked = tuple(dict.fromkeys(executor_of(task) for _, task in running))
        pulled = await threads.run(usage.pull, asked)
        return Json(usage_answer(view, running, pulled))

    return routes
