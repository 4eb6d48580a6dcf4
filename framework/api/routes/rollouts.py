"""Routes of rollouts: how far one is, those before it, and what may be asked of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from framework.api.answers.base import Json
from framework.api.answers.done import DoneAnswer, done_answer
from framework.api.answers.rollouts import RolloutAnswer, RolloutsAnswer, rollout_answer, rollouts_answer
from framework.api.guard.rights import OPEN, TOKEN
from framework.api.info import Limits
from framework.api.routes.asking import ask, known
from framework.api.routes.lookup import stack_or_problem
from framework.api.routes.request_bodies import RolloutBody
from framework.api.routes.stacks import Name
from framework.core.events import RolloutAction, RolloutActionRequested
from framework.ports import Front

Action = Annotated[RolloutAction, Path(description="what is asked of it")]


def router(front: Front, limits: Limits) -> APIRouter:
    """The routes over `front`."""
    routes = APIRouter(prefix="/v1/stacks/{name}", tags=["rollouts"])

    @routes.get("/rollout", responses={200: {"model": RolloutAnswer}}, dependencies=[OPEN])
    async def rollout(name: Name) -> Response:
        """The stack's rollout of now: how far each group is, and what it waits for."""
        view = known(front)
        return Json(rollout_answer(view, stack_or_problem(view, name)))

    @routes.get("/rollouts", responses={200: {"model": RolloutsAnswer}}, dependencies=[OPEN])
    async def rollouts(name: Name) -> Response:
        """The stack's rollouts that are kept, newest first."""
        view = known(front)
        return Json(rollouts_answer(view, stack_or_problem(view, name)))

    @routes.post("/rollout/{action}", status_code=202, responses={202: {"model": DoneAnswer}}, dependencies=[TOKEN])
    async def act(name: Name, action: Action, body: RolloutBody | None = None) -> Response:
        """Has the rollout stand still, go on, go on with its next step, end where it is, or go back."""
        done = await ask(
            front,
            lambda request_id: RolloutActionRequested(
                request_id=request_id,
                stack=name,
                action=action,
                service=body.service if body else "",
                number=body.number if body else 0,
                asked_by=body.by if body else "",
            ),
            limits.answer_seconds,
        )
        return Json(done_answer(done), 202)

    return routes
