"""Routes of rollouts: how far one is, those before it, and what may be asked of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from framework.api.answers import picture
from framework.api.answers.base import Json
from framework.api.answers.rollout_picture import rollout_plain
from framework.api.answers.rollout_shapes import RolloutAnswer, RolloutBody, RolloutsAnswer
from framework.api.answers.shapes import DoneAnswer
from framework.api.guard.rights import OPEN, TOKEN
from framework.api.info import Limits
from framework.api.routes.asking import ask, known
from framework.api.routes.stacks import Name, done_plain, find_stack
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
        stack = find_stack(view.stacks.get(name), name)
        current = stack.rollouts.current if stack.rollouts else None
        past = stack.rollouts.past if stack.rollouts else ()
        return Json(
            {
                **picture.standing(view),
                "stack": name,
                "index": stack.spec.index,
                "rollout": rollout_plain(stack, current) if current else None,
                "last": rollout_plain(stack, past[0]) if past else None,
            }
        )

    @routes.get("/rollouts", responses={200: {"model": RolloutsAnswer}}, dependencies=[OPEN])
    async def rollouts(name: Name) -> Response:
        """The stack's rollouts that are kept, newest first."""
        view = known(front)
        stack = find_stack(view.stacks.get(name), name)
        current = stack.rollouts.current if stack.rollouts else None
        past = stack.rollouts.past if stack.rollouts else ()
        lines = [rollout_plain(stack, each) for each in (*([current] if current else []), *past)]
        return Json({**picture.standing(view), "stack": name, "index": stack.spec.index, "rollouts": lines})

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
        return Json(done_plain(done), 202)

    return routes
