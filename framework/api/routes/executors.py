"""Routes of our executors on the agents: which there are, and moving tasks from older ones to the current one."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from framework.api.answers.base import Json
from framework.api.answers.done import DoneAnswer, done_answer
from framework.api.answers.executors import ExecutorsAnswer, executors_answer
from framework.api.guard.rights import OPEN, TOKEN
from framework.api.info import Limits
from framework.api.routes.asking import ask, known
from framework.api.routes.request_bodies import RollBody
from framework.core.events import ExecutorUpgradeRequested
from framework.ports import Front


def router(front: Front, limits: Limits) -> APIRouter:
    """The routes over `front`."""
    routes = APIRouter(prefix="/v1/executors", tags=["executors"])

    @routes.get("", responses={200: {"model": ExecutorsAnswer}}, dependencies=[OPEN])
    async def executors() -> Response:
        """Our executors that have tasks, by agent, and how far a roll is."""
        return Json(executors_answer(known(front)))

    @routes.post("/roll", status_code=202, responses={202: {"model": DoneAnswer}}, dependencies=[TOKEN])
    async def roll(body: RollBody) -> Response:
        """Moves tasks from older executors to the current one, agent by agent; containers run on."""
        done = await ask(
            front,
            lambda request_id: ExecutorUpgradeRequested(
                request_id=request_id, pattern=body.agent, has_processes=body.processes
            ),
            limits.answer_seconds,
        )
        return Json(done_answer(done), 202)

    return routes
