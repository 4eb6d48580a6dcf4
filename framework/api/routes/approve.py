"""Routes of what waits for an operator: what it is, and the word that it shall be so."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from framework.api.answers.base import Json
from framework.api.answers.done import DoneAnswer, done_answer
from framework.api.answers.scheduler import QuestionsAnswer, questions_answer
from framework.api.guard.rights import OPEN, TOKEN
from framework.api.info import Limits
from framework.api.routes.asking import ask, known
from framework.api.routes.request_bodies import ApproveBody
from framework.core.events import ApprovalGiven
from framework.core.model import Mismatch
from framework.ports import Front


def router(front: Front, limits: Limits) -> APIRouter:
    """The routes over `front`."""
    routes = APIRouter(prefix="/v1", tags=["scheduler"])

    @routes.get("/approve", responses={200: {"model": QuestionsAnswer}}, dependencies=[OPEN])
    async def questions() -> Response:
        """The steps that wait for the approval of an operator: each question with all its tasks."""
        return Json(questions_answer(known(front)))

    @routes.post("/approve", status_code=202, responses={202: {"model": DoneAnswer}}, dependencies=[TOKEN])
    async def approve(body: ApproveBody) -> Response:
        """Approves what was asked, for up to `number` tasks: refused with 409 where it is about more by now."""
        done = await ask(
            front,
            lambda request_id: ApprovalGiven(
                request_id=request_id, mismatch=Mismatch(body.question), number=body.number
            ),
            limits.answer_seconds,
        )
        return Json(done_answer(done), 202)

    return routes
