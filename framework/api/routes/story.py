"""The route that tells what happened to a task."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from framework.api.answers.base import Json
from framework.api.answers.tasks import StoryAnswer, story_answer
from framework.api.guard.rights import OPEN
from framework.api.routes.asking import known
from framework.api.routes.lookup import task_or_problem
from framework.api.routes.tasks import TaskName
from framework.ports import Front


def router(front: Front) -> APIRouter:
    """The route over `front`."""
    routes = APIRouter(prefix="/v1", tags=["tasks"])

    @routes.get("/tasks/{task_id}/story", responses={200: {"model": StoryAnswer}}, dependencies=[OPEN])
    async def story(task_id: TaskName) -> Response:
        """The story of a task, oldest first: as this leader has seen it; the time before comes from the store."""
        group, task = task_or_problem(known(front), task_id)
        return Json(story_answer(group, task))

    return routes
